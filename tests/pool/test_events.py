"""What costs a connection its place in the pool, and what in daily use does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Function, func, insert, literal, select, table
from sqlalchemy.sql import column

from steadypool import in_transaction, read
from tests.support.pools import steady

notes = table("notes", column("note"))


@pytest.fixture
def writer(make_engine: Callable[..., Engine]) -> Engine:
    """An engine that writes, to a table of one column."""
    with make_engine("migration").begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (note)")
    return make_engine("writer")


def test_savepoints_keep_the_connection(writer: Engine) -> None:
    def work(connection: Connection) -> None:
        with connection.begin_nested():
            connection.execute(insert(notes), {"note": "kept"})
        with connection.begin_nested() as savepoint:
            connection.execute(insert(notes), {"note": "rolled back"})
            savepoint.rollback()

    for _ in range(3):
        in_transaction(writer, work)

    assert read(writer, lambda connection: connection.scalars(select(notes.c.note)).all()) == ["kept"] * 3
    assert (steady(writer).snapshot()["opened"], steady(writer).snapshot()["closed"]) == (1, {})


HARMLESS = [func.lower("A"), func.LENGTH("a"), func.replace("a", "b", "c"), func.coalesce(literal(None), 1), func.now()]
UNKNOWN = [func.lower_and_lock("a"), func.unlower("a"), func.own.lower("a")]
"""Named like those that we know; the last one is of a schema, where anybody may have put anything."""


@pytest.mark.parametrize("function", HARMLESS, ids=str)
def test_a_function_in_daily_use_keeps_the_connection(engine: Engine, function: Function[Any]) -> None:
    for _ in range(2):
        read(engine, lambda connection: connection.scalar(select(function)))

    assert (steady(engine).snapshot()["opened"], steady(engine).snapshot()["closed"]) == (1, {})


@pytest.mark.parametrize("function", UNKNOWN, ids=str)
def test_a_function_that_nobody_knows_costs_the_connection(engine: Engine, function: Function[Any]) -> None:
    with pytest.raises(Exception, match=r"no such function|syntax error"):
        read(engine, lambda connection: connection.scalar(select(function)))

    assert steady(engine).snapshot()["closed"] == {"changed": 1}
