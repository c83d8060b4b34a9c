"""Who is there: the connections of a pool, idle or out, who uses them, and who waits; one lock for all of it."""

from collections import deque
from threading import Lock
from typing import Any, Generic, TypeVar

from steadypool.core import leaks
from steadypool.core.classify import Verdict
from steadypool.core.connection import Connection, Use
from steadypool.core.stats import CloseReason, Stats, Took

C = TypeVar("C", bound=Connection)


class Roster(Generic[C]):
    """The connections of one pool. Those that are out are in use, or being made."""

    permits: int
    most_kept: int

    def __init__(self, stats: Stats) -> None:
        self._stats, self._lock = stats, stats.lock
        self.idle: dict[C, None] = {}  # in order; one may be taken out of the middle
        self._out: set[C] = set()
        self._written_off: set[C] = set()
        self._queue: dict[Use, Lock] = {}
        self.took: deque[Took] = deque()
        """What is still to be counted; whoever acquires or releases does not wait for that."""

    @property
    def in_use(self) -> int:
        """Permits that are out."""
        return len(self._out) - len(self._written_off)

    @property
    def pending(self) -> int:
        """Threads in the queue."""
        return len(self._queue)

    def out(self) -> list[C]:
        """Return what is in use or being made at this moment, with what was written off and may still come back."""
        with self._lock:
            return list(self._out)

    def all(self) -> list[C]:
        """Return what is out, and what is idle."""
        with self._lock:
            return [*self._out, *(each for each in self.idle if each not in self._out)]

    def uses(self) -> list[Use]:
        """Return who has a connection at this moment, or has one made."""
        return [use for each in self.out() if (use := each.use) is not None]

    def left_behind(self) -> list[C]:
        """Return what the parent has, in a child process, where another thread may have held the lock."""
        return [*self._out, *self.idle]

    def alive(self) -> int:
        """Return how many connections there are that are made."""
        with self._lock:
            return sum(each.state in ("idle", "in use") for each in self.all())

    def of(self, connection: object) -> Use | None:
        """Return whose a driver's connection is, None where it is nobody's."""
        there = (each.use for each in self.out() if each.state == "in use" and each.dbapi_connection is connection)
        return next(there, None)

    def obey(self, verdict: Verdict) -> None:
        """Count an error, and have the others suffer for it if they must."""
        if verdict.condemns:
            self.condemn()
        if verdict.counts:
            self._stats.note(verdict.counts)

    def condemn(self, reason: CloseReason = "invalidated") -> None:
        """Have no connection used again that there is now: the server goes away, or takes no writes."""
        for each in self.all():
            if each.state in ("idle", "in use"):
                each.condemned = each.condemned or reason

    def cut_overdue(self, now: float, longest_call: float) -> bool:
        """End the calls whose time is over; tell whether a server was silent in one of them."""
        waited_in_vain = False
        with self._lock:
            # Again as long as it lasts: a thread that overslept may begin something only now.
            for each in self._out:
                if (use := each.use) is not None and use.is_due(now, longest_call):
                    waited_in_vain = waited_in_vain or (
                        each.wire is not None and use.call_began is not None and not use.was_cut
                    )
                    use.was_cut = True
                    if each.wire:
                        each.wire.cut()
        return waited_in_vain

    def note_dropped(self, use: Use) -> None:
        """Count a connection that was recovered which its holder forgot, and warn of it."""
        self._stats.note("leaked")
        leaks.report_dropped(use)

    def count(self) -> None:
        """Count what has been granted and released since the last time."""
        with self._lock:
            while self.took:
                self._stats.note_use(*self.took.popleft())

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return gauges and what is counted, of one moment."""
        with self._lock:
            self.count()
            limits = {"size": self.permits, "idle_max": self.most_kept}
            gauges = {"in_use": self.in_use, "idle": len(self.idle), "pending": self.pending}
            return limits | gauges | self._stats.snapshot(now)
