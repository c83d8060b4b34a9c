"""A pool that is closed while others release: nothing stays in it."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from sqlalchemy import Engine

from steadypool import create_pool_engine
from steadypool.core import housekeeping
from testkit.waiting import eventually
from tests.support.policies import POLICY
from tests.support.pools import steady


def test_what_is_released_while_the_pool_is_closed_is_closed_as_well(engine: Engine) -> None:
    pool = steady(engine)

    class Meanwhile(dict[Any, None]):
        """Idle connections; just before the next one is put among them, another thread closes the pool."""

        def __setitem__(self, *item: Any) -> None:
            closing = threading.Thread(target=pool.dispose)
            closing.start()
            closing.join(0.2)  # it has to wait for this thread, or it is through
            super().__setitem__(*item)

    connection = engine.connect()
    pool.slots.idle = Meanwhile()
    connection.close()

    assert eventually(lambda: not pool.slots.idle)
    seen = pool.snapshot()
    assert seen["opened"] == sum(seen["closed"].values())


def test_what_an_engine_leaves_behind_is_counted_as_gone(engine: Engine) -> None:
    engine.connect().close()

    engine.dispose(close=False)

    seen = steady(engine).snapshot()
    assert (seen["opened"], seen["closed"], seen["idle"]) == (1, {"detached": 1}, 0)
    assert steady(engine).snapshot()["connection_seconds"] == seen["connection_seconds"]


@pytest.mark.usefixtures("frozen")
def test_an_engine_that_is_forgotten_is_gone_with_its_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_watched", WeakSet())  # the one that is looked after last
    (tmp_path / "empty.sqlite3").touch()

    there = used_and_forgotten(f"sqlite:///{tmp_path}/empty.sqlite3")

    assert eventually(lambda: gc.collect() >= 0 and there() is None)


def used_and_forgotten(url: str) -> weakref.ref[Any]:
    engine = create_pool_engine(url, POLICY, role="reader")
    engine.connect().close()
    assert eventually(lambda: not steady(engine).slots.took), "it has been looked after"
    return weakref.ref(engine.pool)
