"""Threads that are switched anywhere, and all that may become of a connection: none is lost, and none lent twice."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import literal, select

from steadypool import create_pool_engine
from testkit.waiting import eventually
from tests.support.fake_driver import FakeDriver, FakeWire
from tests.support.policies import POLICY
from tests.support.pools import steady
from tests.support.stress import WAYS, Stress

pytestmark = [
    # A fork where there are threads is what is tried here.
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
    pytest.mark.no_cover,  # thousands of times the same lines
]
THREADS, SIZE, WAITING = 10, 4, 5
REFUSED = {"PoolExhaustedError": "timeouts", "QueueFullError": "rejected", "DatabaseDownError": "unavailable"}
ENDS_IN = {"failed_connect": "OperationalError", "overdue": "DeadlineExceededError"}


@pytest.fixture
def switching(frozen: None) -> Iterator[None]:
    """Let threads take turns at almost every step."""
    before = sys.getswitchinterval()
    logging.disable()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
    logging.disable(logging.NOTSET)


@pytest.fixture
def stress(tmp_path: Path) -> Iterator[Stress]:
    (tmp_path / "none.sqlite3").touch()
    driver = FakeDriver()
    policy = replace(POLICY, size=SIZE, max_pending=WAITING, timeout_seconds=0.05)
    url = f"sqlite:///{tmp_path}/none.sqlite3"
    engine = create_pool_engine(url, policy, role="reader", creator=driver.connect)
    steady(engine).driver.wire_of = FakeWire  # type: ignore[method-assign] # for this one
    yield Stress(engine, driver)
    engine.dispose()


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("switching")
@pytest.mark.short_form("5000")
@pytest.mark.parametrize("number", [5_000, 100_000])
def test_whatever_becomes_of_connections_nothing_is_lost_or_lent_twice(stress: Stress, number: int) -> None:
    stress.run(number, THREADS)

    assert eventually(lambda: is_all_back(stress)), accounts(stress)
    pool, driver = steady(stress.engine), stress.driver
    seen = pool.snapshot()
    assert driver.wrong == []
    assert set(stress.children) == {"exit code 0"}, stress.children
    assert seen["opened"] - sum(seen["closed"].values()) == seen["idle"] == len(driver.open), accounts(stress)
    assert seen["acquired"] == stress.acquired["granted"]
    assert seen["leaked"] == stress.done["leaked"]
    assert {error: seen[event] for error, event in REFUSED.items()} == {name: stress.acquired[name] for name in REFUSED}
    assert stress.acquired["PoolExhaustedError"] > 0
    assert set(stress.done) >= {ENDS_IN.get(way, way) for way in WAYS}
    assert stress.done.total() - stress.done["leaked"] == number
    pool.resize(SIZE)
    with ExitStack() as held:
        lent = [held.enter_context(stress.engine.connect()) for _ in range(SIZE)]
        assert len({id(each.connection.dbapi_connection) for each in lent}) == SIZE
        assert [each.scalar(select(literal(7))) for each in lent] == [7] * SIZE


def is_all_back(stress: Stress) -> bool:
    gc.collect()
    return all(each == (0, 0, 0) for each in gauges(stress)) and len(stress.driver.open) == len(
        steady(stress.engine).slots.idle
    )


def gauges(stress: Stress) -> list[tuple[int, int, int]]:
    """Return what each pool that there was still has out: permits, threads that wait, connections."""
    return [(pool.slots.in_use, pool.slots.pending, len(pool.slots.out())) for pool in stress.pools]


def accounts(stress: Stress) -> object:
    idle = [len(pool.slots.idle) for pool in stress.pools]
    return gauges(stress), idle, len(stress.driver.open), steady(stress.engine).snapshot(), stress.done, stress.acquired
