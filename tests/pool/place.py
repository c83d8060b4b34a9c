"""An engine on SQLite of which everything is accounted for, and which is looked after when a test says so."""

from __future__ import annotations

import gc
import time
from typing import Any

from sqlalchemy import Engine, Integer, bindparam, literal, select

from steadypool import Lookup, PoolPolicy, SteadyPool, create_pool_engine
from tests.support.pools import steady
from tests.support.tracked import Tracker

LOOKUP = Lookup(select(bindparam("number", type_=Integer).label("number")))


class Place:
    """An engine on a file, whose connections are counted; `renew` for one that has not connected yet."""

    def __init__(self, url: str, policy: PoolPolicy) -> None:
        self._url, self._policy = url, policy
        self.renew()
        self.warm_up()

    def renew(self) -> None:
        self.tracker = Tracker()
        self.engine = create_pool_engine(
            self._url, self._policy, role="reader", connect_args={"factory": self.tracker, "check_same_thread": False}
        )
        self._before = self.pool

    @property
    def pool(self) -> SteadyPool:
        return steady(self.engine)

    def warm_up(self) -> None:
        self.pool._is_awake = True  # by the test alone, at the moments that it chooses
        self.engine.connect().close()

    def replace_pool(self) -> None:
        self._before = self.pool
        self.engine.dispose()
        self.pool._is_awake = True

    def tidy(self) -> None:
        for pool in (self._before, self.pool):
            pool.rounds._next_tidy = 0.0
            pool.patrol(time.monotonic())

    def accounts(self) -> dict[str, int]:
        """Return what is not as it should be after two rounds of the housekeeping."""
        gc.collect()
        for _ in range(3):  # two settle it; the next lets go of it
            self.tidy()
        if self._amiss():  # of what is in circles the housekeeping has let go: a connection to SQLite, its statements
            gc.collect()
        return self._amiss()

    def _amiss(self) -> dict[str, int]:
        seen = self.pool.snapshot()
        accounts = {
            "in use": seen["in_use"],
            "pending": seen["pending"],
            "out": len(self.pool.slots.out()),
            "counted and not idle": seen["opened"] - sum(seen["closed"].values()) - seen["idle"],
            "open and not idle": self.tracker.open() - seen["idle"],
        }
        return {name: number for name, number in accounts.items() if number}

    def problems(self) -> list[object]:
        found: list[object] = [accounts] if (accounts := self.accounts()) else []
        try:
            answers = [ask(self.engine, 7), LOOKUP.fetch(self.engine, number=8)[0][0]]
            with self.engine.connect() as one, self.engine.connect() as other:
                assert one.connection.dbapi_connection is not other.connection.dbapi_connection
        except Exception as error:
            return [*found, error]
        return found if answers == [7, 8] else [*found, answers]


def ask(engine: Engine, asked: int) -> Any:
    with engine.connect() as connection:
        return connection.scalar(select(literal(asked)))
