"""A SQLite file that somebody else has for themselves: it is waited for within the deadline, then given up."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from steadypool import PoolPolicy, in_transaction, read
from testkit.waiting import eventually
from tests.pool import library
from tests.pool.service import FOUND, REFUSED, Clients, Service
from tests.pool.tables import Book
from tests.support.leftovers import assert_nothing_is_lent, leaving_nothing

DEADLINE_SECONDS = 1.0
SLACK_SECONDS = 0.5
THREADS = 16


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
    """Hold the file during the block, or until told to let go."""
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield holder.rollback


def test_a_busy_file_is_waited_for_within_the_deadline(service: Service, file: Path) -> None:
    with held(file):
        clients = Clients(service, THREADS).run(0)

    # Whoever came too late for a statement of their own is told that the pool or the time was used up.
    assert "busy" in set(clients.statuses) <= REFUSED
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
    assert not clients.stuck
    assert service.ask() == FOUND


def test_a_file_that_is_released_in_time_is_read(service: Service, file: Path) -> None:
    clients = Clients(service, THREADS)
    with held(file) as let_go, clients.running():
        assert eventually(lambda: len(clients.requests) == THREADS)
        assert not clients.answers
        let_go()

    assert set(clients.statuses) == {"found"}
    assert not clients.wrong
    assert clients.slowest <= DEADLINE_SECONDS


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
