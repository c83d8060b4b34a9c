"""Who may run at once: so many threads, and whoever else is there in order.

Threads that wait for the interpreter's lock (the GIL) wake each other up at each step. Where they do little but run
Python, two or three of them have as much done as the lock allows, in less time; where they wait for a database, all
are needed. Which it is shows in how long whoever asks for the lock has to wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from time import monotonic, sleep
from typing import Any

FEWEST = 2

FREE_SECONDS = 0.00015
"""Whoever has the lock in this time had no other thread in the way: more threads may run."""
CROWDED_SECONDS = 0.0006
"""Whoever has not had it by then had several: fewer threads do as much."""


class Turns:
    """Turns for so many threads at the most; in line are threads, and work for which a thread is called."""

    def __init__(self, threads: int, call: Callable[[], object]) -> None:
        self.threads = self.most = self._free = threads
        self._call, self._is_called = call, False
        self._lock = Lock()
        self._line: deque[tuple[Lock | None, Any]] = deque()
        """In line are a thread's own lock, which it waits for, or work."""

    def ask(self, work: Any) -> None:
        """Have work done in its turn, by a thread that has one, or by one that is called."""
        with self._lock:
            self._line.append((None, work))
            self._go_on()

    def arrive(self) -> Any:
        """Return, in a turn, what a thread that was called has to do; None if others have seen to it."""
        with self._lock:
            self._is_called = False
            if self._free <= 0 or not self._is_work_next():
                return None
            self._free -= 1
            _, work = self._line.popleft()
            self._go_on()
            return work

    def next(self) -> Any:
        """Return what else is to be done in a turn; None if it is over, as nobody is in line, or a thread."""
        with self._lock:
            if self._free >= 0 and self._is_work_next():
                return self._line.popleft()[1]
            self._free += 1
            self._go_on()
            return None

    def take(self) -> None:
        """Wait for a turn."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            mine = Lock()
            mine.acquire()
            self._line.append((mine, None))
        mine.acquire()

    def give(self) -> None:
        """Let somebody else have the turn."""
        with self._lock:
            self._free += 1
            self._go_on()

    def look(self) -> None:
        """Have more turns or fewer, as it shows in how long the interpreter's lock takes to come back."""
        began = monotonic()
        sleep(0)  # lets go of it
        waited = monotonic() - began
        if waited < FREE_SECONDS:
            self._have(min(self.most + 2, self.threads))
        elif waited > CROWDED_SECONDS:
            self._have(max(self.most - 1, FEWEST))

    def _have(self, most: int) -> None:
        with self._lock:
            self._free += most - self.most
            self.most = most
            self._go_on()

    def _is_work_next(self) -> bool:
        return bool(self._line) and self._line[0][0] is None

    def _go_on(self) -> None:
        """Pass free turns on, with the lock held."""
        while self._free > 0 and self._line:
            thread, _ = self._line[0]
            if thread is None:
                if not self._is_called:
                    self._is_called = True
                    self._call()
                return
            self._free -= 1
            self._line.popleft()
            thread.release()
