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

from sqlalchemy import Engine, exc

from steadypool.errors import PoolError
from steadypool.recovery import unwrapped
from steadypool.retry import connect_anew
from tests.support.endings import Endings
from tests.support.fake_driver import FakeDriver
from tests.support.pools import steady

CHILD_SECONDS = 30
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
    "drain": 1,
    "resize": 2,
    "dispose": 0.3,
    "fork": 0.2,
}


class Stress(Endings):
    """What threads do with an engine on a driver that notices; `acquired` and `children` are counted as well."""

    ways = WAYS

    def __init__(self, engine: Engine, driver: FakeDriver) -> None:
        super().__init__(engine)
        self.driver, self.pools = driver, [steady(engine)]
        self.acquired, self.children = Counter[str](), Counter[str]()

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

    @contextmanager
    def _connects_failing(self) -> Iterator[None]:
        self.driver.refusing.now = True
        try:
            yield
        finally:
            self.driver.refusing.now = False

    def fresh(self) -> None:
        with self._acquire(lambda: connect_anew(self.engine)) as connection:
            self._ask(connection)

    def drain(self) -> None:
        steady(self.engine).drain()

    def resize(self) -> None:
        steady(self.engine).resize(random.randrange(1, 6), random.randrange(3))

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
