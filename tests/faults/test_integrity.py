"""A permit is never lost, and a connection that its holder forgot is found again."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, literal, select

from steadypool.core.admission import Gate
from testkit.fault_servers import FaultServer
from testkit.waiting import eventually
from tests.faults.outcomes import Outcomes
from tests.faults.support import reader_of
from tests.support.kinds import on_mariadb
from tests.support.pools import steady

SETTINGS: dict[str, Any] = {"POOL_SIZE": 4, "POOL_TIMEOUT_SECONDS": 0.05, "POOL_MAX_WAITING": 3}
THREADS = 8


def assert_all_is_there(engine: Engine) -> None:
    """Nothing is lent, every connection that was opened is idle or closed, and all can be borrowed at once."""
    pool = steady(engine)
    gc.collect()
    assert eventually(lambda: pool.snapshot()["breaker"] == "closed")
    seen = pool.snapshot()
    assert (seen["in_use"], seen["waiting"]) == (0, 0), seen
    assert seen["opened"] - sum(seen["closed"].values()) == seen["idle"], seen
    with ExitStack() as borrowed:
        for _ in range(SETTINGS["POOL_SIZE"]):
            connection = borrowed.enter_context(engine.connect())
            assert connection.scalar(select(literal(7))) == 7
        assert pool.snapshot()["in_use"] == SETTINGS["POOL_SIZE"]


def run_outcomes(engine: Engine, number: int) -> Outcomes:
    outcomes = Outcomes(engine)
    outcomes.run(number, THREADS)
    return outcomes


@pytest.mark.no_cover  # thousands of times the same lines, which others cover: measuring them takes half the time
@on_mariadb
def test_after_ten_thousand_mixed_outcomes_nothing_is_lost(
    make_service: Callable[..., Flask], fault_server: FaultServer, user: str
) -> None:
    engine = reader_of(make_service(**SETTINGS))

    outcomes = run_outcomes(engine, 10_000)

    assert_all_is_there(engine)
    outcomes.assert_all_were_there()
    assert outcomes.done.total() - outcomes.done["leaked"] == 10_000
    assert eventually(lambda: len(fault_server.sessions(user)) == steady(engine).snapshot()["idle"])


def test_after_a_thousand_on_sqlite_nothing_is_lost(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    file = tmp_path / "empty.sqlite3"
    file.touch()
    engine = reader_of(make_app(DATABASE_URL=f"sqlite:///{file}", **SETTINGS))

    run_outcomes(engine, 1_000)

    assert_all_is_there(engine)


def test_a_permit_that_the_garbage_collector_gives_back_in_the_middle_is_given_out_once() -> None:
    class Interrupted(dict[Any, Any]):
        """A queue during whose call the garbage collector finds a forgotten connection."""

        def pop(self, holder: object, *default: Any) -> Any:
            turn = super().pop(holder, *default)
            if turn and len(self) == 2:
                gate.leave("b")
            return turn

    gate = Gate(3, most_waiting=3)
    gate._queue = Interrupted()
    for holder in "abc":
        gate.enter(holder, 0)
    with ThreadPoolExecutor(3) as threads:
        ends = [threads.submit(gate.enter, holder, 5) for holder in "def"]
        assert eventually(lambda: gate.waiting == 3)

        gate.leave("a")

        assert eventually(lambda: sum(end.done() for end in ends) == 2)
        assert (gate.in_use, gate.waiting) == (3, 1)
        gate.leave("c")


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
    make_service: Callable[..., Flask], forget: Callable[[Engine], None]
) -> None:
    engine = reader_of(make_service(POOL_SIZE=1, POOL_TIMEOUT_SECONDS=0.2))

    forget(engine)
    gc.collect()

    seen = steady(engine).snapshot()
    assert (seen["in_use"], seen["leaked"], seen["closed"]) == (0, 1, {"dropped": 1})
    with engine.connect() as connection:
        assert connection.scalar(select(literal(2))) == 2
