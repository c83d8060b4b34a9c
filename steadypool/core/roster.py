"""Who is there: the connections of a pool, idle or out, who uses them, and who waits; one lock for all of it.

And which of the idle ones go.
"""

from collections import deque
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, Generic, TypeVar

from steadypool.core import leaks
from steadypool.core.classify import Verdict
from steadypool.core.connection import Connection, Use
from steadypool.core.stats import CloseReason, Stats, Took

C = TypeVar("C", bound=Connection)

MOST_ORPHANS = 1000
"""How many are kept in mind; more come together only where nobody can be asked to end them."""


class Roster(Generic[C]):
    """The connections of one pool. Those that are out are in use, or being made."""

    permits: int
    limit: int
    most_kept: int
    _kept: int
    """As many may be idle; 0 while it is closed."""

    def __init__(self, stats: Stats) -> None:
        self._stats, self._lock = stats, stats.lock
        self.idle: dict[C, None] = {}  # in order; one may be taken out of the middle
        self._out: set[C] = set()
        self._written_off: set[C] = set()
        self._queue: dict[Use, Lock] = {}
        self.took: deque[Took] = deque()
        """What is still to be counted; whoever acquires or releases does not wait for that."""
        self._orphans: deque[Any] = deque(maxlen=MOST_ORPHANS)

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

    def let_wait(self, use: Use) -> bool:
        """Have a use wait for a replica that is behind, unless half of the permits do; tell whether it may."""
        with self._lock:
            waiting = sum(other.catching_up for other in self.uses())
            use.catching_up = waiting < self.limit // 2
            return use.catching_up

    def obey(self, verdict: Verdict) -> None:
        """Count an error, and have the others suffer for it if they must."""
        if verdict.condemns:
            self.condemn()
        if verdict.counts:
            self._stats.note(verdict.counts)

    def condemn(self, reason: CloseReason = "invalidated", *, unmade: bool = False) -> None:
        """Have no connection used again that there is now: the server goes away, or takes no writes.

        What is being made may well lead to a better one; `unmade` has that go after its use, too.
        """
        for each in self.all():
            if each.state in ("idle", "in use") or unmade:
                each.condemned = each.condemned or reason

    def cut_overdue(self, now: float, longest_call: float) -> bool:
        """End the calls whose time is over; tell whether a server was silent in one of them."""
        waited_in_vain = False
        with self._lock:
            # Again as long as it lasts: a thread that overslept may begin something only now.
            for each in self._out:
                if (use := each.use) is not None and use.is_due(now, longest_call):
                    is_call = use.call_began is not None and not use.was_cut
                    use.was_cut = True
                    is_ended = each.wire is not None and each.wire.cut()
                    waited_in_vain = waited_in_vain or (is_call and each.wire is not None)
                    # A COMMIT comes to its own end: to break off its wait for a replica would show others what is not
                    # safe yet.
                    if is_call and each.state == "in use" and not (is_ended or use.committing):
                        self._orphans.append(each.session)
        return waited_in_vain

    def take_orphans(self) -> list[Any]:
        """Return the sessions in which the server may still be at what was cut, once; count those that are unknown."""
        taken = [self._orphans.popleft() for _ in range(len(self._orphans))]
        self.note_orphaned(taken.count(None))
        return [each for each in taken if each is not None]

    def note_orphaned(self, number: int) -> None:
        """Count statements that were cut and may go on at the server, until it stops them itself."""
        for _ in range(number):
            self._stats.note("orphaned")

    def evict(self, why: Callable[[C, bool], CloseReason | None]) -> Iterator[tuple[C, CloseReason]]:
        """Take out and return the idle ones for which there is a reason; `why` is told whether a better one is kept.

        One after the other: while one is being closed, the others are there for whoever needs one.
        """
        kept = False
        with self._lock:
            there = list(self.idle)
        for each in reversed(there):
            with self._lock:
                if each not in self.idle:
                    continue
                reason = why(each, kept)
                if reason is None:
                    kept = True
                    continue
                del self.idle[each]
            yield each, reason

    def close(self) -> Iterator[C]:
        """Return one idle connection after the other, and keep none until it is opened again."""
        while True:
            with self._lock:
                self._kept = 0
                if not self.idle:
                    return
                each, _ = self.idle.popitem()
            yield each

    def surplus(self) -> Iterator[C]:
        """Take out and return one idle connection after the other, as long as there are more than may be."""
        while True:
            with self._lock:
                each = next(iter(self.idle), None)
                is_room = len(self.idle) <= self._kept and len(self.idle) + self.in_use <= self.permits
                if each is None or is_room:
                    return
                is_ours = self.idle.pop(each, False) is None  # or else the garbage collector gave it to who waited
            if is_ours:
                yield each

    def open_again(self) -> None:
        """Keep connections, if it was closed."""
        with self._lock:
            self._kept = self.most_kept

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
