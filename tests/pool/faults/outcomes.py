"""All that may become of an acquired connection, by threads that take turns at random."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Engine, event, exc, literal, select, table

from steadypool import deadline
from steadypool.errors import PoolError, PoolExhaustedError
from steadypool.recovery import unwrapped
from steadypool.retry import connect_anew
from tests.support.crowd import share_out
from tests.support.pools import steady

NOW = select(literal(1))
LONGEST_SECONDS = 60


class OwnError(Exception):
    """An error of whoever acquired."""


class Outcomes:
    """What holders do; `done` counts what was really done."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.done = engine, Counter[str]()
        self._failing, self._lock = threading.local(), threading.Lock()
        event.listen(engine, "do_connect", self._fail_if_told)

    def run(self, number: int, threads: int) -> None:
        """Do so many things, shared out among threads; only the errors that belong to them may come."""
        share_out(self._do_some, number, threads)

    def _do_some(self, seed: int, number: int) -> None:
        choose, end = random.Random(seed), time.monotonic() + LONGEST_SECONDS
        ways = [getattr(self, name) for name in WAYS]
        while number and time.monotonic() < end:  # where permits are lost, it would never come to that number
            number -= self._happened(choose.choices(ways, list(WAYS.values()))[0])

    def _happened(self, way: Callable[[], None]) -> bool:
        """Count what became of it; return False where there was no room in the queue, so that nothing did."""
        what = way.__name__
        try:
            way()
        except (PoolError, exc.StatementError, OwnError) as error:
            told = unwrapped(error)
            if isinstance(told, PoolExhaustedError) and "wait already" in str(told):
                time.sleep(0.005)  # as a client does
                return False
            what = type(told).__name__
        self._count(what)
        return True

    def success(self) -> None:
        with self.engine.connect() as connection:
            assert connection.scalar(NOW) == 1

    def hold(self) -> None:
        with self.engine.connect():
            time.sleep(0.004)

    def no_patience(self) -> None:
        with deadline.within(0.001):
            self.success()

    def overdue(self) -> None:
        with deadline.within(0.02), self.engine.connect() as connection:
            time.sleep(0.1)
            connection.scalar(NOW)

    def failed_connect(self) -> None:
        self._failing.now = True
        try:
            connect_anew(self.engine).close()
        finally:
            self._failing.now = False

    def invalidate(self) -> None:
        with self.engine.connect() as connection:
            connection.invalidate()

    def invalidate_and_go_on(self) -> None:
        with self.engine.connect() as connection:
            connection.invalidate()
            connection.rollback()
            assert connection.scalar(NOW) == 1

    def detach(self) -> None:
        with self.engine.connect() as connection:
            connection.detach()

    def cut(self) -> None:
        """Something on the way ends the connection; SQLite has nothing on its way."""
        with self.engine.connect() as connection:
            entry: Any = connection.connection._connection_record
            entry.wire.cut()
            assert connection.scalar(NOW) == 1

    def wrong_statement(self) -> None:
        with self.engine.connect() as connection:
            connection.scalar(select(literal(1)).select_from(table("nowhere")))

    def changed(self) -> None:
        with self.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    def raw(self) -> None:
        self.engine.raw_connection().close()

    def error(self) -> None:
        with self.engine.connect() as connection:
            connection.scalar(NOW)
            raise OwnError

    def abandoned_generator(self) -> None:
        def rows() -> Iterator[Any]:
            with self.engine.connect() as connection:
                yield from connection.execute(NOW)

        assert next(rows()) == (1,)

    def dropped(self) -> None:
        connection = self.engine.connect()
        assert connection.scalar(NOW) == 1
        self._count("leaked")

    def dropped_in_a_circle(self) -> None:
        """Only the garbage collector finds it, in whichever thread that happens to run."""
        circle: list[Any] = [self.engine.connect()]
        circle.append(circle)
        self._count("leaked")

    def dropped_raw(self) -> None:
        assert self.engine.raw_connection()
        self._count("leaked")

    def assert_all_were_there(self) -> None:
        """Each way was gone, those that end in an error as well, and the pool counted what there is to count."""
        seen = steady(self.engine).snapshot()
        assert set(self.done) >= {ENDS_IN.get(way, way) for way in WAYS} | {"PoolExhaustedError"}
        assert seen["rejected"] > 0
        assert min(seen["closed"][why] for why in ("overdue", "detached", "changed", "error", "dropped")) > 0
        assert seen["leaked"] == self.done["leaked"] > self.done.total() / 30

    def _count(self, what: str) -> None:
        with self._lock:
            self.done[what] += 1

    def _fail_if_told(self, dialect: Any, *_: object) -> None:
        if getattr(self._failing, "now", False):
            raise dialect.loaded_dbapi.OperationalError("not today")


WAYS = {
    "success": 110,
    "hold": 6,
    "no_patience": 8,
    "overdue": 0.3,
    "failed_connect": 4,
    "invalidate": 4,
    "invalidate_and_go_on": 4,
    "detach": 4,
    "cut": 1,
    "wrong_statement": 2,
    "changed": 4,
    "raw": 4,
    "error": 6,
    "abandoned_generator": 6,
    "dropped": 5,
    "dropped_in_a_circle": 1,
    "dropped_raw": 4,
}
"""How often each is chosen."""
ENDS_IN = {
    "cut": "OperationalError",
    "wrong_statement": "ProgrammingError",
    "failed_connect": "OperationalError",
    "overdue": "DeadlineExceededError",
    "error": "OwnError",
}
"""What is counted in their place."""
