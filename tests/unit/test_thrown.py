"""Exceptions out of nowhere, at any instant: nothing is lost of the pool. On SQLite; tests/faults asks real servers."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import Engine

from tests.support.throwing import assert_all_is_back, storm, storm_of_signals

SIZE = 2


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    return make_engine(role="reader", size=SIZE)


def open_connections() -> int:
    """Return how many connections to SQLite this process has; it opens the file only where that is asked for."""
    return sum(isinstance(each, sqlite3.Connection) and is_open(each) for each in gc.get_objects())


def is_open(connection: sqlite3.Connection) -> bool:
    with suppress(sqlite3.ProgrammingError):
        return connection.total_changes >= 0
    return False


@pytest.mark.parametrize("seed", [1, 2])
def test_what_threads_meet_leaves_the_pool_whole(engine: Engine, seed: int):
    before = open_connections()
    users = storm(engine, threads=4, times=600, seed=seed)

    assert users.met > 100, "next to nothing was thrown"
    assert not users.wrong
    assert_all_is_back(engine, SIZE, lambda: open_connections() - before)


def test_what_signals_raise_leaves_the_pool_whole(engine: Engine):
    before = open_connections()
    users = storm_of_signals(engine, times=600, seed=3)

    assert users.met > 100, "next to nothing was thrown"
    assert not users.wrong
    assert_all_is_back(engine, SIZE, lambda: open_connections() - before)
