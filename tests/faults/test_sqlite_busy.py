"""A SQLite file that another process has for itself: it is waited for within the deadline, then given up."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Connection, make_url, update

from app.cities.models import City
from app.cities.queries import CITIES
from app.extensions import db, reading
from steadypool import in_transaction
from testkit.databases import Database
from tests.conftest import dispose
from tests.faults.clients import Clients
from tests.faults.support import reader_of
from tests.support.leftovers import assert_nothing_is_lent, leaving_nothing

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True, scope="session")

DEADLINE_SECONDS = 1.0
SLACK_SECONDS = 0.5
THREADS = 16
HOLDER = """
import sqlite3, sys
holder = sqlite3.connect(sys.argv[1], isolation_level=None)
holder.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(database: Database, tmp_path: Path) -> Path:
    """A copy of the data without a write-ahead log, beside which everybody could read on."""
    copy = tmp_path / "sakila.sqlite3"
    original = make_url(database.url).database
    assert original
    with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        assert target.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    return copy


@pytest.fixture
def app(make_app: Callable[..., Flask], file: Path) -> Iterator[Flask]:
    with leaving_nothing():
        app = make_app(DATABASE_URL=f"sqlite:///{file}", REQUEST_DEADLINE_SECONDS=DEADLINE_SECONDS)
        assert app.test_client().get("/?city=London").status_code == 200
        yield app
        assert_nothing_is_lent(reader_of(app))
        dispose(app)


@contextmanager
def held(file: Path) -> Iterator[Callable[[], None]]:
    """Let another process hold the file during the block, or until it is told to let go."""
    command = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process.stdin.close
        process.stdin.close()


def test_a_busy_file_is_waited_for_within_the_deadline(app: Flask, file: Path) -> None:
    with held(file):
        clients = Clients(app, THREADS).run(0)

    assert set(clients.statuses) == {503}
    # Whoever came too late for a statement of their own is told that the pool or the time was used up.
    assert "Others are in the way. Try again soon.\n" in {answer.text for answer in clients.failed}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
    assert not clients.stuck
    assert app.test_client().get("/?city=London").status_code == 200


def test_a_file_that_is_released_in_time_is_read(app: Flask, file: Path) -> None:
    with held(file) as let_go:
        release = threading.Timer(DEADLINE_SECONDS / 2, let_go)
        release.start()
        clients = Clients(app, THREADS).run(0)
        release.join()

    assert set(clients.statuses) == {200}
    assert not clients.wrong
    assert DEADLINE_SECONDS / 2 <= clients.slowest <= DEADLINE_SECONDS


def test_a_late_statement_waits_no_longer_than_the_rest(app: Flask, file: Path) -> None:
    @reading
    def read_late(connection: Connection) -> str:
        time.sleep(0.8 * DEADLINE_SECONDS)
        return str(connection.execute(CITIES).first())

    app.view_functions["pages.look_up"] = read_late
    with held(file):
        clients = Clients(app, 1).run(0)

    assert set(clients.statuses) == {503}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS


def test_a_late_commit_waits_no_longer_than_the_rest(app: Flask, file: Path) -> None:
    def write(connection: Connection) -> str:
        connection.execute(update(City).values(city_id=City.city_id))
        time.sleep(0.8 * DEADLINE_SECONDS)
        return "written"

    app.view_functions["pages.look_up"] = lambda: in_transaction(db.engine, write)
    with closing(sqlite3.connect(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM city").fetchone()
        clients = Clients(app, 1).run(0)

    assert set(clients.statuses) == {503}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
