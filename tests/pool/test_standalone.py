"""A SteadyPool by itself, without an engine, where people would have QueuePool."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock, call

import pytest
from sqlalchemy import PoolProxiedConnection, create_engine, event, exc, select
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.asyncio import create_async_engine

from steadypool import SteadyPool, create_pool_engine
from steadypool.core.connection import IDLE_SECONDS
from testkit.waiting import eventually
from tests.support.pools import steady

Make = Callable[..., SteadyPool]


class Interruption(BaseException):
    """Whatever comes from outside."""


def interrupt(*_: object) -> None:
    raise Interruption


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[SteadyPool] = []

    def make_pool(creator: Callable[..., Any] = lambda: Mock(), **options: Any) -> SteadyPool:
        made.append(SteadyPool(creator, **{"pool_size": 1, "max_overflow": 0, "timeout": 0.2} | options))
        return made[-1]

    yield make_pool
    for pool in made:
        pool.dispose()


def borrow(pool: SteadyPool) -> Any:
    """Return the driver's connection that is lent next."""
    with pool.connect() as connection:
        return connection.dbapi_connection


def closed(pool: SteadyPool) -> dict[str, int]:
    found: dict[str, int] = pool.snapshot()["closed"]
    return found


@pytest.mark.parametrize("dialect", [None, DefaultDialect()], ids=["no dialect", "no driver"])
def test_the_error_of_a_connect_is_the_creators_own(make: Make, dialect: Any) -> None:
    connection = Mock()
    pool = make(Mock(side_effect=[OSError("no route"), connection]), dialect=dialect)

    with pytest.raises(OSError, match="no route"):
        pool.connect()

    assert (pool.checkedout(), borrow(pool)) == (0, connection)


def test_without_a_dialect_there_is_no_ping_as_sqlalchemy_says(make: Make) -> None:
    pool = make(pre_ping=True)
    borrow(pool)

    with pytest.raises(NotImplementedError, match="ping feature requires that a dialect"):
        pool.connect()
    assert (pool.checkedout(), pool.checkedin()) == (0, 0)


def test_an_engine_that_is_given_a_pool_brings_its_dialect(make: Make) -> None:
    pool = make()

    engine = create_engine("sqlite://", pool=pool, _initialize=False)

    assert pool.dialect is engine.dialect


def test_it_is_not_for_asyncio() -> None:
    with pytest.raises(exc.ArgumentError, match="cannot be used with asyncio engine"):
        create_async_engine("postgresql+psycopg://", poolclass=SteadyPool)


def test_who_waits_without_end_has_the_next_that_comes_back(make: Make) -> None:
    pool = make(timeout=None)
    held, got = pool.connect(), []
    waiting = threading.Thread(target=lambda: got.append(borrow(pool)))
    waiting.start()
    connection = held.dbapi_connection

    waiting.join(0.1)
    assert got == []
    held.close()
    waiting.join(5)

    assert (got, pool.timeout()) == ([connection], None)


@pytest.mark.parametrize(("options", "kept"), [({"pool_size": 0}, 20), ({"pool_size": 1, "max_overflow": -1}, 1)])
def test_without_a_limit_nobody_waits(make: Make, options: dict[str, int], kept: int) -> None:
    pool = make(**options)
    held = [pool.connect() for _ in range(20)]

    assert (pool.overflow(), pool.checkedout()) == (20 - kept, 20)
    for connection in held:
        connection.close()
    assert (pool.overflow(), pool.checkedin(), pool.checkedout()) == (0, kept, 0)


def test_who_still_has_a_connection_that_was_taken_back_does_no_harm_to_the_next(make: Make) -> None:
    pool = make()
    borrow(pool)
    kept: list[PoolProxiedConnection] = []

    def keep(connection: object, record: object, proxy: PoolProxiedConnection) -> None:
        kept.append(proxy)

    event.listen(pool, "checkout", keep)
    pool._grant = Mock(side_effect=Interruption)  # type: ignore[method-assign] # for this one
    with pytest.raises(Interruption):
        pool.connect()
    del pool._grant

    mine: Any = pool.connect()
    kept[0].close()
    assert (mine.is_valid, pool.checkedout(), mine.dbapi_connection.mock_calls) == (True, 1, [])
    mine.close()


def test_one_whose_closing_failed_is_not_made_anew(make: Make) -> None:
    pool = make()
    stays = borrow(pool)
    event.listen(pool, "close", Mock(side_effect=[ValueError("of a listener"), None]))
    pool.slots.condemn()

    assert borrow(pool) is not stays


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("resets", [True, False])
def test_a_dropped_connection_is_kept_where_it_is_reset(make: Make, resets: bool) -> None:
    pool = make(reset_on_return=resets)
    connection: Any = pool.connect()
    before = connection.dbapi_connection

    del connection
    gc.collect()

    assert pool.snapshot()["leaked"] == 1
    assert (pool.checkedout(), pool.checkedin()) == (0, int(resets))
    assert before.mock_calls == ([call.rollback()] if resets else [call.close()])


def test_what_a_listener_resets_is_kept(make: Make) -> None:
    pool = make(reset_on_return=None)
    first = borrow(pool)
    assert closed(pool) == {"changed": 1}

    event.listen(pool, "reset", lambda connection, record, state: connection.reset())
    second = borrow(pool)

    assert borrow(pool) is second
    assert (first.mock_calls, second.mock_calls) == ([call.close()], [call.reset(), call.reset()])


def test_of_an_engine_of_ours_it_is_not() -> None:
    engine = create_pool_engine("sqlite://")
    event.listen(engine, "reset", lambda connection, record, state: None)

    engine.raw_connection().close()

    assert closed(steady(engine)) == {"changed": 1}
    engine.dispose()


@pytest.mark.parametrize("soft", [True, False])
def test_a_connection_whose_invalidation_is_interrupted_is_not_lent_again(make: Make, soft: bool) -> None:
    pool = make()
    event.listen(pool, "soft_invalidate" if soft else "invalidate", interrupt)
    connection: Any = pool.connect()
    before = connection.dbapi_connection

    with pytest.raises(Interruption):
        connection.invalidate(soft=soft)
    connection.close()

    assert (pool.checkedout(), pool.checkedin(), closed(pool)) == (0, 0, {"error": 1})
    assert before.close.call_count == 1


@pytest.mark.parametrize("what", ["close", "rollback"])
def test_a_connection_whose_closing_or_reset_is_interrupted_is_gone(make: Make, what: str) -> None:
    pool = make()
    connection: Any = pool.connect()
    getattr(connection.dbapi_connection, what).side_effect = Interruption

    with pytest.raises(Interruption):
        connection.invalidate() if what == "close" else connection.close()

    assert (pool.checkedout(), pool.checkedin(), closed(pool)) == (0, 0, {"error": 1})
    assert not connection.is_valid
    assert borrow(pool) is not None


def test_a_pool_that_was_disposed_of_can_be_used_again(make: Make) -> None:
    pool = make(pool_size=2)
    held: Any = pool.connect()
    idle, before = borrow(pool), held.dbapi_connection

    pool.dispose()
    assert (pool.checkedin(), idle.close.call_count, before.close.call_count) == (0, 1, 0)
    after = borrow(pool)
    held.close()

    assert (before.close.call_count, closed(pool)) == (1, {"disposed": 2})
    assert borrow(pool) is after


def test_it_keeps_nothing_for_good_then(make: Make) -> None:
    pool = make()
    pool.dispose()
    last = borrow(pool)

    pool.patrol(time.monotonic() + IDLE_SECONDS + 1)

    assert (pool.checkedin(), last.close.call_count) == (0, 1)


def test_while_the_housekeeping_closes_one_the_others_are_there(make: Make) -> None:
    closing, go_on = threading.Event(), threading.Event()
    pool = make(pool_size=3)
    held: list[Any] = [pool.connect() for _ in range(3)]

    def wait() -> None:
        closing.set()
        go_on.wait(5)

    for connection in held:
        connection.dbapi_connection.close.side_effect = wait
    for connection in held:
        connection.close()
    pool.slots.condemn()

    assert closing.wait(5)
    assert pool.checkedin() == 2
    go_on.set()
    assert eventually(lambda: closed(pool) == {"invalidated": 3})


def test_an_engine_of_sqlalchemys_reads_and_writes_on_it() -> None:
    engine = create_engine("sqlite://", poolclass=SteadyPool)

    with engine.begin() as connection:
        assert connection.scalar(select(1)) == 1
    assert (steady(engine).checkedin(), closed(steady(engine))) == (1, {})
    engine.dispose()
