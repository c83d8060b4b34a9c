"""What an error means: the table, and the errors that have no code."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import psycopg.errors
import pymysql
import pytest
from sqlalchemy import NullPool, create_engine, exc, text

from steadypool.core.classify import ErrorKind
from steadypool.errors import DatabaseDownError, DeadlineExceededError, PoolExhaustedError
from steadypool.recovery import is_unavailable, kind_of


def failed(original: BaseException, **more: Any) -> exc.DBAPIError:
    return exc.OperationalError("SELECT 1", {}, original, **more)


def busy() -> sqlite3.OperationalError:
    """Return what SQLite's driver raises where another one writes; its code cannot be set from outside."""
    first, second = (sqlite3.connect("file:busy?mode=memory&cache=shared", uri=True, timeout=0) for _ in range(2))
    try:
        first.execute("CREATE TABLE t (x)")
        first.execute("BEGIN EXCLUSIVE")
        second.execute("INSERT INTO t VALUES (1)")
    except sqlite3.OperationalError as error:
        return error
    finally:
        first.close()
        second.close()
    raise AssertionError("it was not busy")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (pymysql.OperationalError(2013, "Lost connection"), ErrorKind.CONNECTION_DEAD),
        (pymysql.OperationalError(4031, "The client was disconnected"), ErrorKind.CONNECTION_DEAD),
        (pymysql.InterfaceError(0, ""), ErrorKind.CONNECTION_DEAD),
        (pymysql.InternalError("Packet sequence number wrong - got 3 expected 1"), ErrorKind.CONNECTION_DEAD),
        (pymysql.OperationalError(1053, "Server shutdown in progress"), ErrorKind.ALL_DEAD),
        (psycopg.errors.AdminShutdown("terminating connection"), ErrorKind.ALL_DEAD),
        (psycopg.errors.IdleSessionTimeout("terminating connection"), ErrorKind.CONNECTION_DEAD),
        (pymysql.OperationalError(1290, "--read-only"), ErrorKind.READ_ONLY),
        (psycopg.errors.ReadOnlySqlTransaction("cannot execute"), ErrorKind.READ_ONLY),
        (pymysql.OperationalError(1047, "WSREP has not yet prepared node for application use"), ErrorKind.NOT_READY),
        (pymysql.OperationalError(3100, "Error on observer while running replication hook"), ErrorKind.NOT_READY),
        (pymysql.OperationalError(3797, "Error while waiting for group transactions commit"), ErrorKind.NOT_READY),
        (pymysql.OperationalError(4094, "All queries have been blocked while"), ErrorKind.NOT_READY),
        (pymysql.OperationalError(1020, "Record has changed since last read"), ErrorKind.TRY_AGAIN),
        (pymysql.OperationalError(3101, "Plugin instructed the server to rollback"), ErrorKind.TRY_AGAIN),
        (
            pymysql.OperationalError(3572, "Statement aborted because lock(s) could not be acquired"),
            ErrorKind.TRY_AGAIN,
        ),
        (pymysql.OperationalError(9007, "Write conflict"), ErrorKind.TRY_AGAIN),
        (pymysql.OperationalError(1180, "Got error 5 - 'Input/output error' during COMMIT"), ErrorKind.CONNECTION_DEAD),
        (pymysql.OperationalError(1180, "Got error 149 - 'Lock deadlock' during COMMIT"), ErrorKind.TRY_AGAIN),
        (pymysql.OperationalError(1159, "Got timeout reading communication packets"), ErrorKind.CONNECTION_DEAD),
        (pymysql.OperationalError(9001, "Max connect timeout reached"), ErrorKind.CONNECTION_DEAD),
        (psycopg.errors.ProtocolViolation("query_wait_timeout"), ErrorKind.CONNECTION_DEAD),
        (psycopg.errors.ConnectionFailure("server conn crashed?"), ErrorKind.CONNECTION_DEAD),
        (psycopg.errors.StatementCompletionUnknown("result is ambiguous"), ErrorKind.CONNECTION_DEAD),
        (psycopg.errors.DatabaseDropped("terminating connection"), ErrorKind.CONNECTION_DEAD),
        (pymysql.OperationalError(1153, "Got a packet bigger than 'max_allowed_packet'"), ErrorKind.TOO_MUCH),
        (pymysql.OperationalError(1213, "Deadlock found"), ErrorKind.TRY_AGAIN),
        (pymysql.OperationalError(1205, "Lock wait timeout exceeded"), ErrorKind.TRY_AGAIN),
        (psycopg.errors.DeadlockDetected("deadlock"), ErrorKind.TRY_AGAIN),
        (psycopg.errors.SerializationFailure("could not serialize"), ErrorKind.TRY_AGAIN),
        (busy(), ErrorKind.TRY_AGAIN),
        (pymysql.OperationalError(1317, "Query execution was interrupted"), ErrorKind.INTERRUPTED),
        (pymysql.OperationalError(1969, "max_statement_time exceeded"), ErrorKind.TIMED_OUT),
        (pymysql.OperationalError(3024, "maximum statement execution time exceeded"), ErrorKind.TIMED_OUT),
        (psycopg.errors.QueryCanceled("canceling statement"), ErrorKind.TIMED_OUT),
        (pymysql.IntegrityError(1062, "Duplicate entry"), ErrorKind.REFUSED),
        (psycopg.errors.UniqueViolation("duplicate key"), ErrorKind.REFUSED),
        (pymysql.ProgrammingError(1064, "You have an error in your SQL syntax"), ErrorKind.MISTAKE),
        (pymysql.InternalError(1927, "Connection was killed"), ErrorKind.CONNECTION_DEAD),
        (psycopg.errors.UndefinedTable("no such table"), ErrorKind.MISTAKE),
        (sqlite3.OperationalError("no such table: x"), ErrorKind.MISTAKE),
        (ValueError("2013"), ErrorKind.MISTAKE),
        (None, ErrorKind.MISTAKE),
    ],
)
def test_an_error_means_the_same_bare_and_wrapped(error: BaseException | None, kind: ErrorKind) -> None:
    assert kind_of(error, dialect_of(error)) is kind
    if error is not None:
        assert kind_of(failed(error)) is kind


def dialect_of(error: BaseException | None) -> Any:
    driver = next((module for module in (psycopg, sqlite3) if isinstance(error, module.Error)), pymysql)
    return SimpleNamespace(loaded_dbapi=driver)


@pytest.mark.parametrize("error", [KeyError(1053), OSError(2013, "no"), ValueError(1213), KeyboardInterrupt(1290)])
def test_a_number_is_a_code_only_where_the_driver_says_it(error: BaseException) -> None:
    assert kind_of(error, dialect_of(error)) is ErrorKind.MISTAKE


def test_nor_is_another_drivers_error_this_ones() -> None:
    shutdown = pymysql.OperationalError(1053, "Server shutdown in progress")
    other: Any = SimpleNamespace(loaded_dbapi=psycopg)

    assert kind_of(shutdown, other) is ErrorKind.MISTAKE


@pytest.mark.parametrize("error", [psycopg.OperationalError, psycopg.errors.TooManyConnections])
def test_a_lost_connection_is_known_without_a_code_and_whatever_was_said_before(error: type[Exception]) -> None:
    assert kind_of(failed(error("closed unexpectedly"), connection_invalidated=True)) is ErrorKind.CONNECTION_DEAD


AWAY = [
    exc.OperationalError(None, None, pymysql.OperationalError(2003, "Can't connect")),
    exc.OperationalError(None, None, pymysql.OperationalError(1045, "Access denied")),
    failed(pymysql.OperationalError(1317, "Query execution was interrupted")),
    failed(pymysql.OperationalError(1836, "Running in read-only mode")),
    failed(pymysql.OperationalError(1047, "WSREP has not yet prepared node for application use")),
    failed(pymysql.OperationalError(1180, "Got error 5 during COMMIT")),
    failed(pymysql.OperationalError(9001, "Max connect timeout reached")),
    DatabaseDownError("no connection could be made"),
]
THERE = [
    failed(pymysql.ProgrammingError(1064, "You have an error in your SQL syntax")),
    failed(psycopg.errors.UndefinedTable("no such table")),
    failed(pymysql.OperationalError(1153, "Got a packet bigger than 'max_allowed_packet'")),
    PoolExhaustedError("all in use"),
    DeadlineExceededError("too slow"),
    ValueError("2013"),
]


@pytest.mark.parametrize("error", [*AWAY, *THERE])
def test_lost_refused_or_interrupted_is_away_and_a_mistake_or_slowness_is_not(error: Exception) -> None:
    assert is_unavailable(error) is (error in AWAY)


def test_a_file_that_is_no_database_is_away(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("This is a text, and long enough to be one. " * 50)

    engine = create_engine(f"sqlite:///{tmp_path}/text", poolclass=NullPool)

    with pytest.raises(exc.DBAPIError) as caught, engine.connect() as connection:
        connection.execute(text("SELECT * FROM x"))

    assert is_unavailable(caught.value)
