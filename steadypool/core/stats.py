"""What a pool counts, and `snapshot`: the vocabulary of metrics and dashboard.

Gauges say how it is now, counters only grow, histograms count how many took at most so many seconds.
"""

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from threading import RLock
from typing import Any, Literal, Protocol, get_args

CloseReason = Literal[
    "expired",  # its life was over
    "idle",  # not needed for a while
    "stale",  # the server, or something on the way, had closed it
    "error",  # an error ended it
    "overdue",  # the housekeeping cut it
    "changed",  # its session was changed by something else than plain statements
    "dropped",  # the holder forgot to return it
    "replaced",  # a second try wanted a new one
    "invalidated",  # the server said that it goes away, or became read-only
    "surplus",  # more than the pool keeps
    "drained",  # somebody asked for new ones (`drain`)
    "disposed",  # the pool was closed
    "detached",  # the holder took it out of the pool, or an engine left it behind
]

Event = Literal[
    "rejected",  # too many waited already
    "timeouts",  # waited for a connection in vain
    "unavailable",  # the database could not be reached
    "statement_timeouts",  # a statement ran out of time
    "unknown_outcomes",  # the answer to a COMMIT was lost
    "conflicts",  # a statement met what others hold
    "retried",  # a read or a unit of work began again
    "leaked",  # a connection was not returned
    "orphaned",  # a statement was cut that may go on at the server
    "diverted",  # a read went to the primary: the replica was behind
]

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds in seconds; what took longer is in the count alone."""


Took = tuple[float | None, float | None, float]
"""Seconds for which a use waited, once granted; held its connection, once it is over; and kept the driver busy."""


class Counted(Protocol):
    """A connection, as far as it is counted."""

    opened: float
    """When, on the monotonic clock."""
    is_counted: bool
    """As one that is open."""


class Histogram:
    """How many took how long."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self._sum += seconds

    def snapshot(self) -> dict[str, Any]:
        """Return cumulative counts by upper bound, as Prometheus has them, with the count and sum of all."""
        cumulative = list(accumulate(self._counts))
        return {
            "buckets": dict(zip(BUCKETS, cumulative, strict=False)),
            "count": cumulative[-1],
            "sum_seconds": self._sum,
        }


class Stats:
    """The numbers of one pool."""

    def __init__(self) -> None:
        self.lock = RLock()
        """That of the slots as well."""
        self.acquired = self.opened = 0
        self.events: Counter[Event] = Counter()
        self.closed: Counter[CloseReason] = Counter()
        self.wait_time, self.use_time, self.create_time = Histogram(), Histogram(), Histogram()
        self.busy_seconds = 0.0
        self._seconds_of_closed = self._sum_of_births = 0.0

    def note_use(self, waited: float | None, held: float | None, busy: float) -> None:
        """Count that a use was granted, after a wait, or is over: how long it lasted, and kept the driver busy."""
        with self.lock:
            self.busy_seconds += busy
            if waited is not None:
                self.acquired += 1
                self.wait_time.add(waited)
            if held is not None:
                self.use_time.add(held)

    def note_opened(self, connection: Counted, took: float) -> None:
        """Count a connection that was made."""
        with self.lock:
            # All or nothing: an exception from outside may come between any two lines.
            self.opened, self._sum_of_births, connection.is_counted = (
                self.opened + 1,
                self._sum_of_births + connection.opened,
                True,
            )
            self.create_time.add(took)

    def note_closed(self, connection: Counted, reason: CloseReason, now: float) -> None:
        """Count a connection that is closed, once."""
        with self.lock:
            if connection.is_counted:
                self.closed[reason], self._sum_of_births, self._seconds_of_closed, connection.is_counted = (
                    self.closed[reason] + 1,
                    self._sum_of_births - connection.opened,
                    self._seconds_of_closed + now - connection.opened,
                    False,
                )

    def note(self, event: Event) -> None:
        """Count what happened."""
        with self.lock:
            self.events[event] += 1

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return counters and histograms, and how much of the connections' time was spent waiting for work."""
        with self.lock:
            return self._snapshot(now)

    def _snapshot(self, now: float) -> dict[str, Any]:
        alive = self.opened - self.closed.total()
        open_seconds = self._seconds_of_closed + alive * now - self._sum_of_births
        return {
            "acquired": self.acquired,
            "opened": self.opened,
            "closed": dict(self.closed),
            **{event: self.events[event] for event in get_args(Event)},
            "wait_time": self.wait_time.snapshot(),
            "use_time": self.use_time.snapshot(),
            "create_time": self.create_time.snapshot(),
            "connection_seconds": open_seconds,
            "busy_seconds": self.busy_seconds,
            "idle_ratio": max(0.0, 1 - self.busy_seconds / open_seconds) if open_seconds > 0 else None,
        }
