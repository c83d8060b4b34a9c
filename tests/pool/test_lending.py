"""What becomes of a loan when something goes wrong on the way to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Engine, ExceptionContext, event, exc, literal, select, text

from steadypool import deadline
from steadypool.core.connection import Use
from steadypool.core.slots import Slots
from steadypool.errors import DatabaseDownError, DeadlineExceededError, PoolExhaustedError
from steadypool.lookup import lend
from testkit.waiting import eventually
from tests.pool.conftest import MakeEngine
from tests.support.pools import steady

COUNT_FOR_A_WHILE = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9000000) SELECT sum(i) FROM n"
)
"""A few seconds, if nobody interrupts it."""


def raise_when_overdue(error: BaseException) -> Callable[..., None]:
    """Return a `Slots.take` in which the deadline passes, and then comes an error."""

    take = Slots.take

    def take_and_wait(slots: Slots[Any], use: Use, seconds: float, **options: Any) -> None:
        take(slots, use, seconds, **options)
        assert eventually(lambda: use.was_cut), "the housekeeping sleeps"
        raise error

    return take_and_wait


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(), SystemExit),
        (OSError("of the driver"), DatabaseDownError),
    ],
    ids=repr,
)
def test_after_the_deadline_only_an_error_is_put_down_to_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: BaseException, told: type[BaseException]
) -> None:
    monkeypatch.setattr(Slots, "take", raise_when_overdue(error))

    with pytest.raises(told), deadline.within(0.05):
        engine.connect()


def test_who_wants_a_new_connection_gets_one_in_the_place_of_an_idle_one(engine: Engine) -> None:
    engine.connect().close()

    steady(engine).connect(fresh=True).close()

    seen = steady(engine).snapshot()
    assert (seen["opened"], seen["closed"]) == (2, {"replaced": 1, "changed": 1})


def test_a_connection_in_the_place_of_another_is_cut_on_a_wire_of_its_own(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.connection.invalidate(soft=True)  # to be replaced before its next use

    with pytest.raises(DeadlineExceededError), deadline.within(0.2), engine.connect() as connection:
        connection.execute(COUNT_FOR_A_WHILE).all()

    assert steady(engine).snapshot()["opened"] == 2


def test_who_never_returns_a_connection_loses_its_place_soon_after_the_deadline(make_engine: MakeEngine) -> None:
    engine = make_engine(size=1, max_overflow=0)
    with deadline.within(0.2):
        kept = engine.connect()
        kept.execute(select(literal(1)))

    with deadline.within(3):
        engine.connect().close()

    assert steady(engine).snapshot()["in_use"] == 0
    kept.close()
    assert steady(engine).snapshot()["in_use"] == 0
    with engine.connect(), deadline.within(0.1), pytest.raises(PoolExhaustedError):
        engine.connect()


def lent_to(engine: Engine) -> int:
    """Return what the driver's connection that is lent next is known by here."""
    return lend(steady(engine), id)


@pytest.mark.parametrize("idle", [False, True])
def test_a_connection_that_is_invalidated_softly_is_lent_no_more(engine: Engine, idle: bool) -> None:
    with engine.connect() as connection:
        entry: Any = connection.connection._connection_record
        before = connection.connection.dbapi_connection
        if not idle:
            connection.connection.invalidate(soft=True)
    if idle:
        entry.invalidate(soft=True)

    assert steady(engine).checkedin() <= int(idle), "the housekeeping may have come by"
    assert lent_to(engine) != id(before)
    assert steady(engine).snapshot()["closed"] == {"error": 1}


def test_after_the_pool_is_invalidated_none_of_before_is_lent(make_engine: MakeEngine) -> None:
    """SQLAlchemy does so where a listener says that an error means a disconnection of all."""
    engine = make_engine(size=2)
    with engine.connect() as one, engine.connect() as other:
        before = [one.connection.dbapi_connection, other.connection.dbapi_connection]
    one, other = engine.connect(), engine.connect()

    def say_so(context: ExceptionContext) -> None:
        context.is_disconnect = context.invalidate_pool_on_disconnect = True

    event.listen(engine, "handle_error", say_so)
    with pytest.raises(exc.OperationalError):
        one.execute(text("SELECT nothing FROM nowhere"))
    one.close()
    other.close()

    assert steady(engine).checkedin() == 0
    assert lent_to(engine) not in map(id, before)
    seen = steady(engine).snapshot()
    assert (seen["closed"], seen["in_use"]) == ({"error": 1, "invalidated": 1}, 0)


@pytest.mark.parametrize("error", [exc.DisconnectionError, exc.InvalidatePoolError])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_listener_that_refuses_connections(make_engine: MakeEngine, error: type[Exception], times: int) -> None:
    """SQLAlchemy makes another one in the same loan, twice, and then gives up."""
    engine = make_engine(size=2)
    with engine.connect(), engine.connect():
        pass
    refused: list[object] = []

    def refuse(connection: object, *_: object) -> None:
        if len(refused) < times:
            refused.append(connection)
            raise error

    event.listen(engine, "checkout", refuse)
    with suppress(exc.InvalidRequestError), engine.connect() as connection:
        assert connection.scalar(select(literal(7))) == 7
        assert connection.connection.dbapi_connection not in refused

    seen = steady(engine).snapshot()
    assert (seen["in_use"], seen["opened"] - sum(seen["closed"].values())) == (0, seen["idle"])
    with engine.connect() as one, engine.connect() as other:
        assert one.scalar(select(literal(1))) == other.scalar(select(literal(1)))
    if error is exc.InvalidatePoolError:
        assert seen["closed"]["error"] == {1: 1, 2: 3, 3: 3}[times]
        assert steady(engine).snapshot()["closed"].get("invalidated") == 1


def test_a_listener_that_fails_costs_the_connection_and_no_permit(engine: Engine) -> None:
    engine.connect().close()

    def fail(*_: object) -> None:
        raise KeyError(1053)

    event.listen(engine, "checkout", fail)
    with pytest.raises(KeyError):
        engine.connect()
    event.remove(engine, "checkout", fail)

    seen = steady(engine).snapshot()
    assert (seen["in_use"], seen["idle"], seen["closed"]) == (0, 0, {"error": 1})
    engine.connect().close()


def raising(error: BaseException) -> Callable[[Any], None]:
    def use(_: Any) -> None:
        raise error

    return use


@pytest.mark.parametrize("error", [KeyError(1053), OSError(1836, "read-only")], ids=repr)
def test_what_is_no_drivers_error_says_nothing_of_other_connections(make_engine: MakeEngine, error: Exception) -> None:
    engine = make_engine(size=2)
    with engine.connect(), engine.connect():
        pass

    with pytest.raises(type(error)):
        lend(steady(engine), raising(error))

    assert lent_to(engine)
    seen = steady(engine).snapshot()
    assert (seen["idle"], seen["closed"]) == (1, {"error": 1})


@pytest.mark.parametrize("error", [KeyboardInterrupt(), sqlite3.OperationalError("of the driver")], ids=repr)
def test_the_first_error_is_the_one_that_is_raised(engine: Engine, error: BaseException) -> None:
    """Whatever fails in closing its connection."""

    def fail(*_: object) -> None:
        raise RuntimeError("the second")

    event.listen(engine, "close", fail)

    with pytest.raises(type(error)) as raised:
        lend(steady(engine), raising(error))
    event.remove(engine, "close", fail)

    assert raised.value is error
    assert steady(engine).snapshot()["in_use"] == 0


def test_a_holder_that_fails_costs_no_connection(make_engine: MakeEngine) -> None:
    def fail() -> dict[str, object]:
        raise LookupError

    engine = make_engine()
    pool = steady(engine)
    pool.holder = fail
    with pytest.raises(LookupError):
        engine.connect()

    seen = pool.snapshot()
    assert (seen["in_use"], seen["leaked"], seen["acquired"]) == (0, 0, 0)


def test_a_holder_may_say_what_a_log_record_says_itself(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(leak_seconds=0.05)
    steady(engine).holder = lambda: {"module": "billing", "request": "r-1"}

    with caplog.at_level("INFO"), engine.connect():
        assert eventually(lambda: "has been held" in caplog.text)

    assert "the connection came back" in caplog.text
    told = [
        (vars(record)["holder_module"], vars(record)["request"])
        for record in caplog.records
        if "request" in vars(record)
    ]
    assert told == [("billing", "r-1")] * 2
