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
from sqlalchemy import Connection, select, update

from steadypool import PoolPolicy, in_transaction, read
from tests.pool import library
from tests.pool.service import FOUND, REFUSED, Clients, Service
from tests.pool.tables import Book
from tests.support.leftovers import assert_nothing_is_lent, leaving_nothing

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
def file(tmp_path: Path) -> Path:
    """A library without a write-ahead log, beside which everybody could read on."""
    path = tmp_path / "library.sqlite3"
    library.fill(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    return path


@pytest.fixture
def service(file: Path) -> Iterator[Service]:
    with leaving_nothing():
        service = Service(f"sqlite:///{file}", PoolPolicy(deadline_seconds=DEADLINE_SECONDS))
        assert service.ask() == FOUND
        yield service
        assert_nothing_is_lent(service.reader)
        service.dispose()


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


def test_a_busy_file_is_waited_for_within_the_deadline(service: Service, file: Path) -> None:
    with held(file):
        clients = Clients(service, THREADS).run(0)

    # Whoever came too late for a statement of their own is told that the pool or the time was used up.
    assert "busy" in set(clients.statuses) <= REFUSED
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
    assert not clients.stuck
    assert service.ask() == FOUND


def test_a_file_that_is_released_in_time_is_read(service: Service, file: Path) -> None:
    with held(file) as let_go:
        release = threading.Timer(DEADLINE_SECONDS / 2, let_go)
        release.start()
        clients = Clients(service, THREADS).run(0)
        release.join()

    assert set(clients.statuses) == {"found"}
    assert not clients.wrong
    assert DEADLINE_SECONDS / 2 <= clients.slowest <= DEADLINE_SECONDS


def test_a_late_statement_waits_no_longer_than_the_rest(service: Service, file: Path) -> None:
    def read_late(connection: Connection) -> int | None:
        time.sleep(0.8 * DEADLINE_SECONDS)
        return connection.scalar(select(Book.book_id).limit(1))

    with held(file):
        clients = Clients(service, 1, work=lambda: read(service.reader, read_late)).run(0)

    assert set(clients.statuses) == {"busy"}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS


def test_a_late_commit_waits_no_longer_than_the_rest(service: Service, file: Path) -> None:
    def write(connection: Connection) -> None:
        connection.execute(update(Book).values(book_id=Book.book_id))
        time.sleep(0.8 * DEADLINE_SECONDS)

    with closing(sqlite3.connect(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM book").fetchone()
        clients = Clients(service, 1, work=lambda: in_transaction(service.writer, write)).run(0)

    assert set(clients.statuses) == {"busy"}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
