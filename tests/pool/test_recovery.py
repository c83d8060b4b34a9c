"""What an error means: the table, and the errors that have no code."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import psycopg.errors
import pymysql  # type: ignore[import-untyped]
import pytest
from sqlalchemy import NullPool, create_engine, exc, text

from steadypool.errors import DatabaseDownError, DeadlineExceededError, PoolExhaustedError
from steadypool.recovery import (
    CLOSES_CONNECTION,
    REFUSES_COMMIT,
    VERDICTS,
    WORTH_ANOTHER_READ,
    Verdict,
    is_unavailable,
    judge,
)


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
    ("error", "verdict"),
    [
        (pymysql.OperationalError(2013, "Lost connection"), Verdict.CONNECTION_DEAD),
        (pymysql.OperationalError(4031, "The client was disconnected"), Verdict.CONNECTION_DEAD),
        (pymysql.InterfaceError(0, ""), Verdict.CONNECTION_DEAD),
        (pymysql.InternalError("Packet sequence number wrong - got 3 expected 1"), Verdict.CONNECTION_DEAD),
        (pymysql.OperationalError(1053, "Server shutdown in progress"), Verdict.ALL_DEAD),
        (psycopg.errors.AdminShutdown("terminating connection"), Verdict.ALL_DEAD),
        (psycopg.errors.IdleSessionTimeout("terminating connection"), Verdict.CONNECTION_DEAD),
        (pymysql.OperationalError(1290, "--read-only"), Verdict.READ_ONLY),
        (psycopg.errors.ReadOnlySqlTransaction("cannot execute"), Verdict.READ_ONLY),
        (pymysql.OperationalError(1047, "WSREP has not yet prepared node for application use"), Verdict.NOT_READY),
        (pymysql.OperationalError(3100, "Error on observer while running replication hook"), Verdict.NOT_READY),
        (pymysql.OperationalError(1020, "Record has changed since last read"), Verdict.TRY_AGAIN),
        (pymysql.OperationalError(3101, "Plugin instructed the server to rollback"), Verdict.TRY_AGAIN),
        (pymysql.OperationalError(3572, "Statement aborted because lock(s) could not be acquired"), Verdict.TRY_AGAIN),
        (pymysql.OperationalError(9007, "Write conflict"), Verdict.TRY_AGAIN),
        (pymysql.OperationalError(1180, "Got error 5 - 'Input/output error' during COMMIT"), Verdict.CONNECTION_DEAD),
        (pymysql.OperationalError(1180, "Got error 149 - 'Lock deadlock' during COMMIT"), Verdict.TRY_AGAIN),
        (pymysql.OperationalError(1159, "Got timeout reading communication packets"), Verdict.CONNECTION_DEAD),
        (pymysql.OperationalError(9001, "Max connect timeout reached"), Verdict.CONNECTION_DEAD),
        (psycopg.errors.ProtocolViolation("query_wait_timeout"), Verdict.CONNECTION_DEAD),
        (psycopg.errors.ConnectionFailure("server conn crashed?"), Verdict.CONNECTION_DEAD),
        (psycopg.errors.StatementCompletionUnknown("result is ambiguous"), Verdict.CONNECTION_DEAD),
        (psycopg.errors.DatabaseDropped("terminating connection"), Verdict.CONNECTION_DEAD),
        (pymysql.OperationalError(1153, "Got a packet bigger than 'max_allowed_packet'"), Verdict.TOO_MUCH),
        (pymysql.OperationalError(1213, "Deadlock found"), Verdict.TRY_AGAIN),
        (pymysql.OperationalError(1205, "Lock wait timeout exceeded"), Verdict.TRY_AGAIN),
        (psycopg.errors.DeadlockDetected("deadlock"), Verdict.TRY_AGAIN),
        (psycopg.errors.SerializationFailure("could not serialize"), Verdict.TRY_AGAIN),
        (busy(), Verdict.TRY_AGAIN),
        (pymysql.OperationalError(1317, "Query execution was interrupted"), Verdict.INTERRUPTED),
        (pymysql.OperationalError(1969, "max_statement_time exceeded"), Verdict.TIMED_OUT),
        (pymysql.OperationalError(3024, "maximum statement execution time exceeded"), Verdict.TIMED_OUT),
        (psycopg.errors.QueryCanceled("canceling statement"), Verdict.TIMED_OUT),
        (pymysql.IntegrityError(1062, "Duplicate entry"), Verdict.REFUSED),
        (psycopg.errors.UniqueViolation("duplicate key"), Verdict.REFUSED),
        (pymysql.ProgrammingError(1064, "You have an error in your SQL syntax"), Verdict.MISTAKE),
        (pymysql.InternalError(1927, "Connection was killed"), Verdict.CONNECTION_DEAD),
        (psycopg.errors.UndefinedTable("no such table"), Verdict.MISTAKE),
        (sqlite3.OperationalError("no such table: x"), Verdict.MISTAKE),
        (ValueError("2013"), Verdict.MISTAKE),
        (None, Verdict.MISTAKE),
    ],
)
def test_an_error_means_the_same_bare_and_wrapped(error: BaseException | None, verdict: Verdict) -> None:
    assert judge(error, dialect_of(error)) is verdict
    if error is not None:
        assert judge(failed(error)) is verdict


def dialect_of(error: BaseException | None) -> Any:
    driver = next((module for module in (psycopg, sqlite3) if isinstance(error, module.Error)), pymysql)
    return SimpleNamespace(loaded_dbapi=driver)


@pytest.mark.parametrize("error", [KeyError(1053), OSError(2013, "no"), ValueError(1213), KeyboardInterrupt(1290)])
def test_a_number_is_a_code_only_where_the_driver_says_it(error: BaseException) -> None:
    assert judge(error, dialect_of(error)) is Verdict.MISTAKE


def test_nor_is_another_drivers_error_this_ones() -> None:
    shutdown = pymysql.OperationalError(1053, "Server shutdown in progress")
    other: Any = SimpleNamespace(loaded_dbapi=psycopg)

    assert judge(shutdown, other) is Verdict.MISTAKE


def test_a_lost_connection_is_known_without_a_code() -> None:
    lost = failed(psycopg.OperationalError("server closed the connection unexpectedly"), connection_invalidated=True)

    assert judge(lost) is Verdict.CONNECTION_DEAD


def test_no_write_is_worth_another_try_because_its_connection_was_lost() -> None:
    assert Verdict.TIMED_OUT not in WORTH_ANOTHER_READ
    assert Verdict.TRY_AGAIN not in CLOSES_CONNECTION


def test_what_refuses_a_commit_leads_to_the_wrong_server() -> None:
    assert REFUSES_COMMIT < CLOSES_CONNECTION


def test_every_code_has_a_verdict_that_is_acted_upon() -> None:
    assert set(VERDICTS.values()) <= set(Verdict)


@pytest.mark.parametrize(
    "error",
    [
        failed(pymysql.OperationalError(2013, "Lost connection")),
        exc.OperationalError(None, None, pymysql.OperationalError(2003, "Can't connect")),
        exc.OperationalError(None, None, pymysql.OperationalError(1045, "Access denied")),
        failed(pymysql.OperationalError(1317, "Query execution was interrupted")),
        failed(pymysql.OperationalError(1836, "Running in read-only mode")),
        failed(pymysql.OperationalError(1047, "WSREP has not yet prepared node for application use")),
        failed(pymysql.OperationalError(1180, "Got error 5 during COMMIT")),
        failed(pymysql.OperationalError(9001, "Max connect timeout reached")),
        DatabaseDownError("no connection could be made"),
    ],
)
def test_lost_refused_or_interrupted_is_away(error: BaseException) -> None:
    assert is_unavailable(error)


@pytest.mark.parametrize(
    "error",
    [
        failed(pymysql.ProgrammingError(1064, "You have an error in your SQL syntax")),
        failed(psycopg.errors.UndefinedTable("no such table")),
        failed(pymysql.OperationalError(1153, "Got a packet bigger than 'max_allowed_packet'")),
        PoolExhaustedError("all in use"),
        DeadlineExceededError("too slow"),
        ValueError("2013"),
    ],
)
def test_a_mistake_a_full_pool_and_a_slow_statement_are_not(error: Exception) -> None:
    assert not is_unavailable(error)


def test_a_file_that_is_no_database_is_away(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("This is a text, and long enough to be one. " * 50)

    engine = create_engine(f"sqlite:///{tmp_path}/text", poolclass=NullPool)

    with pytest.raises(exc.DBAPIError) as caught, engine.connect() as connection:
        connection.execute(text("SELECT * FROM x"))

    assert is_unavailable(caught.value)
