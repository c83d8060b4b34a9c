"""What others listen to, put on or do with an engine changes nothing of what the pool knows."""

from __future__ import annotations

import gc
import logging
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, exc, literal, select

from steadypool import create_pool_engine, deadline
from steadypool.core import housekeeping
from steadypool.errors import DatabaseDownError
from testkit.waiting import eventually
from tests.pool.conftest import MakeEngine
from tests.support.policies import POLICY
from tests.support.pools import steady

ONE = select(literal(1))


def test_a_session_that_a_listener_to_engine_connect_changes_is_not_the_next_ones(engine: Engine) -> None:
    def change(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA cache_size = 7")

    event.listen(engine, "engine_connect", change)
    with engine.connect() as connection:
        connection.scalar(ONE)

    assert steady(engine).snapshot()["closed"] == {"changed": 1}


def test_an_engine_with_options_upon_options_keeps_its_connections(engine: Engine) -> None:
    with_options = engine
    for number in range(3):
        with_options = with_options.execution_options(**{f"number_{number}": number})
        with with_options.connect() as connection:
            assert connection.scalar(ONE) == 1

    seen = steady(engine).snapshot()
    assert (seen["opened"], seen["closed"]) == (1, {})


def test_a_listener_that_connects_by_the_dialect_is_bounded_as_well() -> None:
    """A server that accepts and says nothing: the listener's own call ends with the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        engine = create_pool_engine(f"mysql+pymysql://u:p@127.0.0.1:{port}/d", POLICY, role="reader")

        def connect(dialect: Any, _: object, positional: Any, arguments: Any) -> Any:
            return dialect.connect(*positional, **arguments)

        event.listen(engine, "do_connect", connect)
        failed: list[BaseException] = []

        def ask() -> None:
            try:
                with deadline.within(0.3):
                    engine.connect()
            except DatabaseDownError as error:
                failed.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(5)
        engine.dispose()

    assert failed


@pytest.mark.usefixtures("frozen")
def test_what_was_lent_when_the_pool_was_disposed_of_is_counted_when_its_holder_forgets_it(engine: Engine) -> None:
    pool = steady(engine)
    circle: list[Any] = [engine.connect()]
    circle[0].scalar(ONE)
    circle.append(circle)

    engine.dispose()
    stats = pool.stats
    del pool, circle
    gc.collect()

    assert eventually(lambda: stats.closed.total() == stats.opened)


def test_a_listener_that_ends_the_process_s_housekeeping_does_not(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine()

    def leave(*_: object) -> None:
        raise SystemExit

    event.listen(engine, "close", leave)
    with engine.connect() as connection:
        connection.scalar(ONE)
    entry = next(iter(steady(engine).slots.idle))
    entry.expires = 0.0
    with caplog.at_level(logging.ERROR):
        assert eventually(lambda: not steady(engine).slots.idle)
    event.remove(engine, "close", leave)

    with engine.connect() as connection:
        assert connection.scalar(ONE) == 1
    assert housekeeping._thread is not None
    assert housekeeping._thread.is_alive()


@pytest.mark.usefixtures("frozen")
def test_nothing_is_taken_back_at_the_end_of_the_interpreter(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may keep their locks for good then."""
    from steadypool import pool

    assert pool._forgotten.__defaults__ == (sys.is_finalizing,)
    monkeypatch.setattr(pool._forgotten, "__defaults__", (lambda: True,))
    proxy = engine.raw_connection()
    del proxy
    gc.collect()

    assert steady(engine).snapshot()["leaked"] == 0


def test_an_error_of_another_pool_in_a_listener_is_not_counted_here(make_engine: MakeEngine) -> None:
    first, other = make_engine(), make_engine(size=1, timeout_seconds=0.05)

    def ask_the_other(*_: object) -> None:
        other.connect()

    event.listen(first, "checkout", ask_the_other)
    with other.connect(), pytest.raises(exc.TimeoutError):
        first.connect()

    assert steady(first).snapshot()["timeouts"] == 0
    assert steady(other).snapshot()["timeouts"] == 1


def test_a_checkout_is_said_where_pools_are_told_to(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "empty.sqlite3").touch()
    engine = create_pool_engine(f"sqlite:///{tmp_path}/empty.sqlite3", POLICY, echo_pool="debug")

    engine.connect().close()
    engine.dispose()

    assert "checked out from pool" in caplog.text
    assert "being returned to pool" in caplog.text
