"""A permit is never lost, and a connection that its holder forgot is found again."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Engine, literal, select

from testkit.fault_servers import FaultServer
from testkit.waiting import eventually
from tests.pool.faults.outcomes import Outcomes
from tests.pool.service import Service
from tests.support.kinds import on_each_driver, on_mariadb
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


@pytest.mark.no_cover  # thousands of times the same lines, which others cover: measuring them takes half the time
@on_mariadb
@pytest.mark.long_form("10000")
@pytest.mark.parametrize("number", [2_000, 10_000])
def test_after_thousands_of_mixed_outcomes_nothing_is_lost(
    make_service: Callable[..., Service], fault_server: FaultServer, user: str, number: int
) -> None:
    engine = make_service(**POLICY).reader

    outcomes = Outcomes(engine)
    outcomes.each_once()
    outcomes.run(number, THREADS)

    assert_all_is_there(engine)
    outcomes.assert_all_were_there()
    assert outcomes.done.total() - outcomes.done["leaked"] == len(outcomes.ways) + number
    assert eventually(lambda: len(fault_server.sessions(user)) == steady(engine).snapshot()["idle"])


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


@on_each_driver
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
