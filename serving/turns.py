"""Who may run at once: so many threads, and whoever else is there in order.

Threads that wait for the interpreter's lock (the GIL) wake each other up at each step. Where they do little but run
Python, two or three of them have as much done as the lock allows, in less time; where they wait for a database, all
are needed. Which it is shows in how long whoever asks for the lock has to wait for it.

That is so for threads that are soon done. One that is not, since it computes for long or waits for something slow,
keeps its turn from nobody: after two looks at the most another thread has one beside it, if there is one.
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
MANY = 8
"""So many have their interpreter's lock late by themselves, on a slow machine: then it is not one who computes."""

LONG = -1
"""Of a turn that took too long to be counted."""


class Turns:
    """Turns for so many threads of a pool at the most; in line are threads, and work for which a thread is called."""

    def __init__(self, threads: int, call: Callable[[], bool]) -> None:
        self.threads = self.most = self._free = threads
        self._call = call
        self._called = self._inside = 0
        """Threads that have been called, and a turn is kept for each; those that are there, in a turn or in line."""
        self._lock, self._round = Lock(), 0
        self._begun: dict[int, int] = {}
        """The threads that have a turn, and the round in which that began."""
        self._work: deque[Any] = deque()
        self._line: deque[tuple[Lock, int]] = deque()
        """The threads in line: what each waits for, and its number."""

    def ask(self, work: Any) -> None:
        """Have work done in its turn, by a thread that has one, or by one that is called."""
        with self._lock:
            self._work.append(work)
            self._go_on()

    def arrive(self) -> Any:
        """Return, in a turn, what a thread that was called has to do; None if others have seen to it."""
        with self._lock:
            if self._called:
                self._called -= 1
                self._free += 1
            self._inside += 1
            return self._next_work()

    def next(self) -> Any:
        """Return what else is to be done in a turn; None if it is over, as nobody is in line, or a thread."""
        with self._lock:
            self._end()
            self._release()  # those in line first: work that came with them has had its turn
            return self._next_work()

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
        is_kept = waited > KEPT_SECONDS and self.most < MANY
        if waited < FREE_SECONDS or is_kept:
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
        if self._begun.pop(get_ident(), LONG) != LONG:
            self._free += 1

    def _next_work(self) -> Any:
        """Return the work that is next, in a turn for this thread; None if there is none, or no turn: it leaves."""
        work = None
        if self._free > 0 and self._work:
            self._begin(get_ident())
            work = self._work.popleft()
        else:
            self._inside -= 1
        self._go_on()
        return work

    def _release(self) -> bool:
        """Give whoever is first in line a turn, and tell whether there were both."""
        if self._free <= 0 or not self._line:
            return False
        waiting, thread = self._line.popleft()
        self._begin(thread)
        waiting.release()
        return True

    def _go_on(self) -> None:
        """Pass free turns on: to work while a thread can be called, then to those in line, who will see to it."""
        while self._free > 0 and self._called < len(self._work) and self._inside + self._called < self.threads:
            if not self._call():
                break
            self._called += 1
            self._free -= 1
        while self._release():
            pass
