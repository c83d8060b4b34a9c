"""A SQLite file that another process has for itself: who asks is told in time that others are in the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url

from testkit.databases import Database
from tests.faults.clients import Clients

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True, scope="session")

DEADLINE_SECONDS = 1.0
SLACK_SECONDS = 0.5


def test_a_busy_file_is_waited_for_within_the_deadline(
    make_app: Callable[..., Flask], database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "sakila.sqlite3"
    with (
        closing(sqlite3.connect(make_url(database.url).database or "")) as source,
        closing(sqlite3.connect(file)) as target,
    ):
        source.backup(target)
        # Beside a write-ahead log everybody could read on.
        assert target.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    app = make_app(DATABASE_URL=f"sqlite:///{file}", REQUEST_DEADLINE_SECONDS=DEADLINE_SECONDS)
    assert app.test_client().get("/?city=London").status_code == 200

    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        clients = Clients(app, 16).run(0)

    assert set(clients.statuses) == {503}
    # Whoever came too late for a statement of their own is told that the pool or the time was used up.
    assert "Others are in the way. Try again soon.\n" in {answer.text for answer in clients.failed}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
    assert not clients.stuck
    assert app.test_client().get("/?city=London").status_code == 200
