"""A permit is never lost, and a connection that its holder forgot is found again."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Engine, literal, select

from steadypool.core.connection import Connection, Hand, Use
from steadypool.core.slots import Slots
from steadypool.core.stats import Stats
from testkit.fault_servers import FaultServer
from testkit.waiting import eventually
from tests.pool.faults.outcomes import Outcomes
from tests.pool.service import Service
from tests.support.kinds import on_mariadb
from tests.support.pools import steady

SIZE = 4
POLICY: dict[str, Any] = {"size": SIZE, "timeout_seconds": 0.05, "max_pending": 3}
THREADS = 8


def assert_all_is_there(engine: Engine) -> None:
    """Nothing is lent, every connection that was opened is idle or closed, and all can be acquired at once."""
    pool = steady(engine)
    gc.collect()
    assert eventually(lambda: pool.snapshot()["breaker"] == "closed")
    seen = pool.snapshot()
    assert (seen["in_use"], seen["pending"]) == (0, 0), seen
    assert seen["opened"] - sum(seen["closed"].values()) == seen["idle"], seen
    with ExitStack() as acquired:
        for _ in range(SIZE):
            connection = acquired.enter_context(engine.connect())
            assert connection.scalar(select(literal(7))) == 7
        assert pool.snapshot()["in_use"] == SIZE


def run_outcomes(engine: Engine, number: int) -> Outcomes:
    outcomes = Outcomes(engine)
    outcomes.run(number, THREADS)
    return outcomes


@pytest.mark.no_cover  # thousands of times the same lines, which others cover: measuring them takes half the time
@on_mariadb
def test_after_ten_thousand_mixed_outcomes_nothing_is_lost(
    make_service: Callable[..., Service], fault_server: FaultServer, user: str
) -> None:
    engine = make_service(**POLICY).reader

    outcomes = run_outcomes(engine, 10_000)

    assert_all_is_there(engine)
    outcomes.assert_all_were_there()
    assert outcomes.done.total() - outcomes.done["leaked"] == 10_000
    assert eventually(lambda: len(fault_server.sessions(user)) == steady(engine).snapshot()["idle"])


def test_after_a_thousand_on_sqlite_nothing_is_lost(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(**POLICY)

    run_outcomes(engine, 1_000)

    assert_all_is_there(engine)


def test_a_permit_that_the_garbage_collector_gives_back_in_the_middle_is_given_out_once() -> None:
    class Interrupted(dict[Any, Any]):
        """A queue during whose call the garbage collector finds a forgotten connection."""

        def pop(self, use: object, *default: Any) -> Any:
            turn = super().pop(use, *default)
            if turn and len(self) == 2:
                leave(1)
            return turn

    stats = Stats()
    slots = Slots(lambda: Entry(stats), stats, permits=3, kept=3, most_pending=3)
    slots._queue = Interrupted()
    held = [a_use_from_now() for _ in range(3)]
    for use in held:
        slots.take(use, 0)

    def leave(number: int) -> None:
        slots.leave(held[number].connection, held[number])

    with ThreadPoolExecutor(3) as threads:
        ends = [threads.submit(slots.take, a_use_from_now(), 5) for _ in range(3)]
        assert eventually(lambda: slots.pending == 3)

        leave(0)

        assert eventually(lambda: sum(end.done() for end in ends) == 2)
        assert (slots.in_use, slots.pending) == (3, 1)
        leave(2)
    assert len({id(end.result()) for end in ends}) == 3


class Entry(Connection):
    """A connection to nowhere."""


def a_use_from_now() -> Use:
    return Use(time.monotonic(), None, Hand())


def forgotten_by_a_generator(engine: Engine) -> None:
    def numbers() -> Iterator[Any]:
        connection = engine.connect()
        yield from connection.execute(select(literal(1)))
        connection.close()

    assert next(numbers())


def forgotten_by_a_function(engine: Engine) -> None:
    connection = engine.connect()
    assert connection.scalar(select(literal(1))) == 1


def forgotten_without_a_statement(engine: Engine) -> None:
    assert engine.raw_connection()


@pytest.mark.parametrize(
    "forget",
    [forgotten_by_a_generator, forgotten_by_a_function, forgotten_without_a_statement],
    ids=lambda f: f.__name__,
)
def test_a_forgotten_connection_is_closed_and_its_permit_comes_back(
    make_service: Callable[..., Service], forget: Callable[[Engine], None]
) -> None:
    engine = make_service(size=1, timeout_seconds=0.2).reader

    forget(engine)
    gc.collect()

    seen = steady(engine).snapshot()
    assert (seen["in_use"], seen["leaked"], seen["closed"]) == (0, 1, {"dropped": 1})
    with engine.connect() as connection:
        assert connection.scalar(select(literal(2))) == 2
