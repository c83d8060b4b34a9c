"""A SQLite file that another process has for itself: who asks is told in time that others are in the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from flask import Flask

from tests.faults import shelf
from tests.faults.clients import Clients
from tests.pool import library

DEADLINE_SECONDS = 1.0
SLACK_SECONDS = 0.5


def test_a_busy_file_is_waited_for_within_the_deadline(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    file = tmp_path / "library.sqlite3"
    library.fill(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as made:
        # Beside a write-ahead log everybody could read on.
        assert made.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    app = make_app(DATABASE_URL=f"sqlite:///{file}", REQUEST_DEADLINE_SECONDS=DEADLINE_SECONDS)
    app.register_blueprint(shelf.bp)
    assert app.test_client().get(shelf.ONE).status_code == 200

    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        clients = Clients(app, 16).run(0)

    assert set(clients.statuses) == {503}
    # Whoever came too late for a statement of their own is told that the pool or the time was used up.
    assert "Others are in the way. Try again soon.\n" in {answer.text for answer in clients.failed}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
    assert not clients.stuck
    assert app.test_client().get(shelf.ONE).status_code == 200
