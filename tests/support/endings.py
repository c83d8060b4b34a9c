"""All that may become of an acquired connection, by threads that take turns at random."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, exc, literal, select

from steadypool import deadline
from steadypool.errors import PoolError
from steadypool.recovery import unwrapped
from steadypool.retry import connect_anew
from tests.support.crowd import share_out

STANDSTILL_SECONDS = 60
"""So long nothing of a thread's has happened, on a machine of any speed."""


class Endings(ABC):
    """What threads do with one engine; `done` counts what was really done."""

    ways: ClassVar[dict[str, float]]
    """How often each is chosen."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.done = engine, Counter[str]()
        self._lock = threading.Lock()

    def each_once(self) -> None:
        """Do each thing with nobody beside: of some a machine that is slow enough does none while others wait."""
        for name in self.ways:
            self._count(self.done, self._outcome(getattr(self, name)))

    def run(self, number: int, threads: int) -> None:
        """Do so many things, shared out among threads; only the errors that belong to them may come."""
        share_out(self._do_some, number, threads)

    def _do_some(self, seed: int, number: int) -> None:
        choose, goes_on = random.Random(seed), time.monotonic()
        ways = [getattr(self, name) for name in self.ways]
        while number:
            assert time.monotonic() - goes_on < STANDSTILL_SECONDS, "permits are lost: nothing goes on"
            outcome = self._outcome(choose.choices(ways, list(self.ways.values()))[0])
            if outcome == "QueueFullError":  # nothing has happened
                time.sleep(0.002)
                continue
            self._count(self.done, outcome)
            number, goes_on = number - 1, time.monotonic()

    def _outcome(self, way: Callable[[], None]) -> str:
        try:
            way()
        except (PoolError, exc.StatementError) as error:
            return type(unwrapped(error)).__name__
        return way.__name__

    def _count(self, what: Counter[str], name: str) -> None:
        with self._lock:
            what[name] += 1

    # ---- what each kind of engine does in its own way ----

    @abstractmethod
    def _connects_failing(self) -> AbstractContextManager[None]:
        """Have this thread's connects fail during the block."""

    def _acquire(self, connect: Callable[[], Any] | None = None) -> Any:
        return (connect or self.engine.connect)()

    def _used(self, _proxy: Any) -> AbstractContextManager[None]:
        """Use a driver's connection during the block."""
        return nullcontext()

    def _ask(self, connection: Connection) -> None:
        with self._used(connection.connection):
            asked = random.randrange(10**9)
            told = connection.scalar(select(literal(asked)))
            assert told == asked, f"asked {asked}, told {told}"

    # ---- ways ----

    def success(self) -> None:
        with self._acquire() as connection:
            self._ask(connection)

    def hold(self) -> None:
        with self._acquire() as connection, self._used(connection.connection):
            time.sleep(0.004)

    def no_patience(self) -> None:
        with deadline.within(0.002):
            self.success()

    def overdue(self) -> None:
        with deadline.within(0.05), self._acquire() as connection:
            time.sleep(0.15)
            self._ask(connection)

    def failed_connect(self) -> None:
        with self._connects_failing():
            self._acquire(lambda: connect_anew(self.engine)).close()

    def invalidate(self) -> None:
        with self._acquire() as connection:
            connection.invalidate()

    def invalidate_and_go_on(self) -> None:
        with self._acquire() as connection:
            connection.invalidate()
            connection.rollback()
            assert self._acquire(lambda: connection.connection)
            self._ask(connection)

    def detach(self) -> None:
        with self._acquire() as connection:
            connection.detach()
            self._ask(connection)

    def changed(self) -> None:
        with self._acquire() as connection:
            connection.exec_driver_sql("SELECT 1")

    def raw(self) -> None:
        proxy = self._acquire(self.engine.raw_connection)
        with self._used(proxy):
            proxy.cursor().execute("SELECT 1")
        proxy.close()

    def dropped(self) -> None:
        self._ask(self._acquire())
        self._count(self.done, "leaked")

    def dropped_in_a_circle(self) -> None:
        """Only the garbage collector finds it, in whichever thread that happens to run."""
        circle: list[Any] = [self._acquire()]
        circle.append(circle)
        self._count(self.done, "leaked")
