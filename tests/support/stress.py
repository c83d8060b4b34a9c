"""All that may become of a connection, by threads that are switched anywhere; each marks what it uses as its own."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, exc, literal, select

from steadypool import SteadyPool, deadline
from steadypool.errors import PoolError
from steadypool.recovery import unwrapped
from steadypool.retry import connect_anew
from tests.support.crowd import share_out
from tests.support.fake_driver import FakeDriver
from tests.support.pools import steady

LONGEST_SECONDS = 300
CHILD_SECONDS = 30


class Stress:
    """What threads do with one engine; `done` and `acquired` count what was really done."""

    def __init__(self, engine: Engine, driver: FakeDriver) -> None:
        self.engine, self.driver = engine, driver
        self.pools: list[SteadyPool] = [steady(engine)]
        self.done, self.acquired, self.children = Counter[str](), Counter[str](), Counter[str]()
        self._lock = threading.Lock()

    def run(self, number: int, threads: int) -> None:
        """Do so many things, shared out among threads."""
        share_out(self._do_some, number, threads)

    def _do_some(self, seed: int, number: int) -> None:
        choose, end = random.Random(seed), time.monotonic() + LONGEST_SECONDS
        ways = [getattr(self, name) for name in WAYS]
        while number:
            assert time.monotonic() < end, "permits are lost: hardly anything goes on"
            outcome = self._outcome(choose.choices(ways, list(WAYS.values()))[0])
            if outcome == "QueueFullError":  # nothing has happened
                time.sleep(0.002)
                continue
            self._count(self.done, outcome)
            number -= 1

    def _outcome(self, way: Callable[[], None]) -> str:
        try:
            way()
        except (PoolError, exc.StatementError) as error:
            return type(unwrapped(error)).__name__
        return way.__name__

    # ---- using ----

    def _acquire(self, connect: Callable[[], Any] | None = None) -> Any:
        try:
            got = (connect or self.engine.connect)()
        except (PoolError, exc.StatementError) as error:
            self._count(self.acquired, type(unwrapped(error)).__name__)
            raise
        self._count(self.acquired, "granted")
        return got

    @contextmanager
    def _used(self, proxy: Any) -> Iterator[None]:
        """Mark a driver's connection as this thread's for so long."""
        held, here = proxy.dbapi_connection, threading.get_ident()
        if held.user is not None:
            self.driver.wrong.append(f"lent twice: to {held.user} and {here}")
        held.user = here
        try:
            yield
        finally:
            if held.user != here:
                self.driver.wrong.append(f"lent twice: to {here} and {held.user}")
            held.user = None

    def _ask(self, connection: Connection) -> None:
        with self._used(connection.connection):
            asked = random.randrange(10**9)
            told = connection.scalar(select(literal(asked)))
            if told != asked:
                self.driver.wrong.append(f"asked {asked}, told {told}")

    # ---- ways ----

    def success(self) -> None:
        with self._acquire() as connection:
            self._ask(connection)

    def hold(self) -> None:
        with self._acquire() as connection, self._used(connection.connection):
            time.sleep(0.004)

    def fresh(self) -> None:
        with self._acquire(lambda: connect_anew(self.engine)) as connection:
            self._ask(connection)

    def no_patience(self) -> None:
        with deadline.within(0.002):
            self.success()

    def overdue(self) -> None:
        with deadline.within(0.05), self._acquire() as connection:
            time.sleep(0.15)
            self._ask(connection)

    def failed_connect(self) -> None:
        self.driver.refusing.now = True
        try:
            self._acquire(lambda: connect_anew(self.engine)).close()
        finally:
            self.driver.refusing.now = False

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
        circle: list[Any] = [self._acquire()]
        circle.append(circle)
        self._count(self.done, "leaked")

    def dispose(self) -> None:
        with self._lock:
            self.engine.dispose()
            self.pools.append(steady(self.engine))

    def fork(self) -> None:
        """Let a child use the pool, whatever the other threads are doing, and end without a goodbye."""
        tracing = sys.gettrace()
        sys.settrace(None)  # what measures coverage has a lock of its own, which another thread may hold at the fork
        if (child := os.fork()) == 0:
            self._live_as_child()
        sys.settrace(tracing)
        self._count(self.children, ended(child))

    def _live_as_child(self) -> None:
        code = 1
        try:
            self.driver.wrong.clear()
            for _ in range(3):
                with self.engine.connect() as connection:
                    self._ask(connection)
            seen = steady(self.engine).snapshot()
            is_whole = (seen["in_use"], seen["opened"], seen["idle"]) == (0, 1, 1)
            code = 0 if is_whole and not self.driver.wrong else 2
        finally:
            os._exit(code)

    def _count(self, what: Counter[str], name: str) -> None:
        with self._lock:
            what[name] += 1


def ended(child: int, seconds: float = CHILD_SECONDS) -> str:
    """Return how a child process came to its end: in time, or by our hand."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        gone, status = os.waitpid(child, os.WNOHANG)
        if gone:
            return f"exit code {os.waitstatus_to_exitcode(status)}"
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "stuck"


WAYS = {
    "success": 100,
    "hold": 5,
    "fresh": 3,
    "no_patience": 8,
    "overdue": 0.2,
    "failed_connect": 2,
    "invalidate": 4,
    "invalidate_and_go_on": 4,
    "detach": 4,
    "changed": 4,
    "raw": 4,
    "dropped": 5,
    "dropped_in_a_circle": 2,
    "dispose": 0.3,
    "fork": 0.2,
}
"""How often each is chosen."""
