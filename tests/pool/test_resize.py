"""Drain and resize while others work: who waits is served, nobody is interrupted, and no permit is lost."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import create_engine, event

from steadypool import SteadyPool
from testkit.waiting import eventually
from tests.pool.conftest import MakeEngine
from tests.support.pools import held, steady


def test_idle_connections_are_closed_at_once_and_those_in_use_when_they_come_back(make_engine: MakeEngine) -> None:
    engine = make_engine(size=2)
    pool = steady(engine)
    with held(engine, 2) as lent:
        old = [each.connection.dbapi_connection for each in lent]  # kept, or a new one may have the id of an old one
        lent[1].close()

        pool.drain()

        assert pool.snapshot()["closed"] == {"drained": 1}
        assert lent[0].exec_driver_sql("SELECT 7", execution_options={"leaves_no_trace": True}).scalar() == 7
    assert pool.snapshot()["closed"] == {"drained": 2}
    with held(engine, 2) as lent:
        assert not {id(each) for each in old} & {id(each.connection.dbapi_connection) for each in lent}


def test_what_was_being_made_is_used_once(make_engine: MakeEngine) -> None:
    """It may have logged in before the drain, with the old password, or be on its way to the old node."""
    engine = make_engine()
    pool = steady(engine)

    def drain(*_: Any) -> None:
        pool.drain()

    event.listen(engine, "do_connect", drain)
    engine.connect().close()

    assert pool.snapshot()["closed"] == {"drained": 1}


def test_a_smaller_pool_closes_what_is_too_much_now_and_later(make_engine: MakeEngine) -> None:
    engine = make_engine(size=4)
    pool = steady(engine)
    with held(engine, 4) as lent:
        lent[3].close()

        pool.resize(2)

        assert (pool.size(), pool.snapshot()["size"], pool.checkedin()) == (2, 2, 0)
    assert pool.snapshot()["closed"] == {"surplus": 2}
    assert (pool.checkedin(), pool.checkedout()) == (2, 0)


def test_who_waits_is_served_by_a_larger_pool(make_engine: MakeEngine) -> None:
    engine = make_engine(size=1, timeout_seconds=30.0)
    pool, served = steady(engine), threading.Event()

    def wait() -> None:
        with engine.connect():
            served.set()

    with held(engine):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert eventually(lambda: pool.snapshot()["pending"] == 1)
        pool.resize(1, 1)
        assert served.wait(10)
        waiting.join(10)
    assert (pool.checkedin(), pool.snapshot()["closed"]) == (1, {"surplus": 1})


def test_the_new_size_holds_for_the_pool_that_takes_its_place(make_engine: MakeEngine) -> None:
    engine = make_engine(size=1)
    steady(engine).resize(2, 1)

    engine.dispose()

    assert (steady(engine).size(), steady(engine).snapshot()["size"]) == (2, 3)
    with held(engine, 3):
        pass
    assert steady(engine).checkedin() == 2


@pytest.mark.parametrize(("size", "overflow"), [(0, 0), (-1, 0), (1, -1), (1.5, 0), ("2", 0)])
def test_what_makes_no_sense_is_refused_and_changes_nothing(make_engine: MakeEngine, size: Any, overflow: Any) -> None:
    pool = steady(make_engine())

    with pytest.raises(ValueError, match=r"(size|max_overflow) must be"):
        pool.resize(size, overflow)

    assert (pool.size(), pool.snapshot()["size"]) == (1, 1)


def test_a_pool_that_keeps_none_has_no_size(make_engine: MakeEngine) -> None:
    with pytest.raises(ValueError, match="no size to change"):
        steady(make_engine(strategy="request")).resize(2)


def test_a_pool_alone_can_be_resized_as_well() -> None:
    engine = create_engine("sqlite://", poolclass=SteadyPool, pool_size=1, max_overflow=-1)

    steady(engine).resize(1)

    assert steady(engine).snapshot()["size"] == 1
    engine.dispose()
