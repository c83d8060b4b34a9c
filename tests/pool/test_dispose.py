"""A pool that is closed while others release: nothing stays in it."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import Engine

from testkit.waiting import eventually
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

    assert eventually(lambda: not pool.slots.idle, 1)
    seen = pool.snapshot()
    assert seen["opened"] == sum(seen["closed"].values())
