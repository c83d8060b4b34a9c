"""Which errors mean that the database is away."""

import sqlite3
from pathlib import Path

import psycopg.errors
import pymysql
import pytest
from sqlalchemy import NullPool, create_engine, exc, text

from app.pool.recovery import is_pool_exhausted, is_unavailable


def failed(original: BaseException, **more) -> exc.DBAPIError:
    return exc.OperationalError("SELECT 1", {}, original, **more)


@pytest.mark.parametrize(
    "error",
    [
        failed(pymysql.OperationalError(2013, "Lost connection"), connection_invalidated=True),
        exc.OperationalError(None, None, pymysql.OperationalError(2003, "Can't connect")),
        failed(pymysql.OperationalError(1317, "Query execution was interrupted")),
        failed(pymysql.OperationalError(1053, "Server shutdown in progress")),
        failed(psycopg.errors.QueryCanceled("canceling statement due to user request")),
    ],
)
def test_lost_refused_or_interrupted_is_away(error: exc.DBAPIError):
    assert is_unavailable(error)


@pytest.mark.parametrize(
    "error",
    [
        failed(pymysql.ProgrammingError(1064, "You have an error in your SQL syntax")),
        failed(psycopg.errors.UndefinedTable("no such table")),
        failed(sqlite3.OperationalError("no such table: city")),
        exc.TimeoutError("all in use"),
        ValueError("2013"),
    ],
)
def test_a_mistake_of_the_program_is_not(error: Exception):
    assert not is_unavailable(error)


def test_a_file_that_is_no_database_is_away(tmp_path: Path):
    (tmp_path / "text").write_text("This is a text, and long enough to be one. " * 50)

    engine = create_engine(f"sqlite:///{tmp_path}/text", poolclass=NullPool)

    with pytest.raises(exc.DBAPIError) as caught, engine.connect() as connection:
        connection.execute(text("SELECT * FROM city"))

    assert is_unavailable(caught.value)


def test_only_waiting_in_vain_is_exhaustion():
    assert is_pool_exhausted(exc.TimeoutError("all in use"))
    assert not is_pool_exhausted(failed(pymysql.OperationalError(2013, "Lost connection")))
