"""One thread for all pools of a process: it ends what is overdue, tells of leaks, lets idle connections go.

Drivers differ in what they time: PyMySQL's limits count for each piece that arrives, psycopg has none for reading. A
second thread that shuts the socket down is the one way that works for all.
"""

import logging
import os
import time
from contextlib import suppress
from threading import Lock, Thread
from typing import Protocol
from weakref import WeakSet

from steadypool.core.threads import start_thread

TICK_SECONDS = 0.05
"""How late the housekeeping may be. Waking twenty times a second costs a few thousandths of a core."""

log = logging.getLogger(__name__)


class Watched(Protocol):
    """What needs to be looked after."""

    def patrol(self, now: float) -> None:
        """Look at everything once; must not wait for anything."""


_watched: "WeakSet[Watched]" = WeakSet()
_thread: Thread | None = None
_lock = Lock()


def watch_over(pool: Watched) -> None:
    """Look after a pool from now on; the thread is started by the first use in each process."""
    if pool in _watched and _thread is not None and _thread.is_alive():
        return
    with _lock:
        _watched.add(pool)
        _start()


def _start() -> None:
    global _thread
    if _thread is None or not _thread.is_alive():
        _thread = start_thread("pool-housekeeping", _run)


def _run() -> None:
    while True:
        time.sleep(TICK_SECONDS)
        _look_after_all()


def _look_after_all() -> None:
    # In a function of its own: in the loop above a variable would keep the last pool, however forgotten.
    for pool in _pools():
        try:
            pool.patrol(time.monotonic())
        except BaseException:  # whatever a listener raises: without this thread nothing is ever cut
            log.exception("the housekeeping met an error; it goes on")


def _pools() -> list[Watched]:
    """Return them without the lock: whoever holds it, the others are looked after."""
    while True:
        with suppress(RuntimeError):  # one was added meanwhile
            return list(_watched)


def _after_fork() -> None:
    # Threads do not survive a fork, and another one may have held the lock.
    global _lock, _thread
    _lock, _thread = Lock(), None


os.register_at_fork(after_in_child=_after_fork)
