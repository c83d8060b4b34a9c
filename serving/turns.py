"""Who may run at once: so many threads, and whoever else is there in order.

Threads that wait for the interpreter's lock (the GIL) wake each other up at each step. Where they do little but run
Python, two or three of them have as much done as the lock allows, in less time; where they wait for a database, all
are needed. Which it is shows in how long whoever asks for the lock has to wait for it.

That is so for threads that are soon done. One that is not, since it computes for long or waits for something slow,
keeps its turn from nobody: after two looks at the most another thread has one beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock, get_ident
from time import monotonic, sleep
from typing import Any

FEWEST = 2

FREE_SECONDS = 0.00015
"""Whoever has the lock in this time had no other thread in the way: more threads may run."""
CROWDED_SECONDS = 0.0006
"""Whoever has not had it by then had several: fewer threads do as much."""
KEPT_SECONDS = 0.005
"""Whoever waited for so long had to have it taken from a thread that computes (sys.getswitchinterval()): the fewer wait
for it then, the more that one has."""

LONG = -1
"""Of a turn that took too long to be counted."""


class Turns:
    """Turns for so many threads at the most; in line are threads, and work for which a thread is called."""

    def __init__(self, threads: int, call: Callable[[], bool]) -> None:
        self.threads = self.most = self._free = threads
        self._call, self._is_called = call, False
        self._lock, self._round = Lock(), 0
        self._begun: dict[int, int] = {}
        """The threads that have a turn, and the round in which that began."""
        self._line: deque[tuple[Lock | None, Any]] = deque()
        """In line are a thread's own lock, which it waits for, and its number, or work."""

    def ask(self, work: Any) -> None:
        """Have work done in its turn, by a thread that has one, or by one that is called."""
        with self._lock:
            self._line.append((None, work))
            self._go_on()

    def arrive(self) -> Any:
        """Return, in a turn, what a thread that was called has to do; None if others have seen to it."""
        with self._lock:
            self._is_called = False
            return self._work()

    def next(self) -> Any:
        """Return what else is to be done in a turn; None if it is over, as nobody is in line, or a thread."""
        with self._lock:
            self._end()
            return self._work()

    def take(self) -> None:
        """Wait for a turn."""
        with self._lock:
            if self._free > 0:
                self._begin(get_ident())
                return
            mine = Lock()
            mine.acquire()
            self._line.append((mine, get_ident()))
        mine.acquire()

    def give(self) -> None:
        """Let somebody else have the turn."""
        with self._lock:
            self._end()
            self._go_on()

    def look(self) -> None:
        """Have more turns or fewer, as it shows in how long the interpreter's lock takes to come back."""
        began = monotonic()
        sleep(0)  # lets go of it
        waited = monotonic() - began
        if waited < FREE_SECONDS or waited > KEPT_SECONDS:
            self._have(min(self.most + 2, self.threads))
        elif waited > CROWDED_SECONDS:
            self._have(max(self.most - 1, min(FEWEST, self.threads)))
        self._count_no_more()

    def _count_no_more(self) -> None:
        """Let somebody run beside each whose turn has lasted for a whole round."""
        with self._lock:
            self._round += 1
            for thread, round_ in self._begun.items():
                if LONG < round_ < self._round - 1:
                    self._begun[thread] = LONG
                    self._free += 1
            self._go_on()

    def _have(self, most: int) -> None:
        with self._lock:
            self._free += most - self.most
            self.most = most
            self._go_on()

    # ---- with the lock held ----

    def _begin(self, thread: int) -> None:
        self._free -= 1
        self._begun[thread] = self._round

    def _end(self) -> None:
        if self._begun.pop(get_ident(), None) != LONG:
            self._free += 1

    def _work(self) -> Any:
        """Return the work that is next in line, in a turn for this thread; None if there is none, or no turn."""
        work = None
        if self._free > 0 and self._line and self._line[0][0] is None:
            self._begin(get_ident())
            _, work = self._line.popleft()
        self._go_on()
        return work

    def _go_on(self) -> None:
        """Pass free turns on."""
        while self._free > 0 and self._line:
            waiting, thread = self._line[0]
            if waiting is None:
                self._is_called = self._is_called or self._call()
                return
            self._line.popleft()
            self._begin(thread)
            waiting.release()
