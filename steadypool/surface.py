"""What a pool tells of itself: SQLAlchemy's words, those of QueuePool among them, and a snapshot for metrics."""

from time import monotonic
from typing import Any

from sqlalchemy import Pool

from steadypool.core.breaker import Breaker
from steadypool.core.slots import Slots
from steadypool.core.stats import Stats
from steadypool.drivers import Driver
from steadypool.entry import Entry


class Surface(Pool):
    """What can be asked of a pool without changing anything."""

    stats: Stats
    driver: Driver
    pool_size: int
    slots: Slots[Entry]
    breaker: Breaker
    _timeout: float | None

    @property
    def log_extra(self) -> dict[str, str]:
        """Return which pool it is, for the log: its `logging_name`, or else the role of its engine."""
        return {"pool": self._orig_logging_name or self.driver.role}

    @property
    def dialect(self) -> Any:
        """SQLAlchemy's word for the database and the driver; an engine that is given a pool brings its own."""
        return self._dialect

    def snapshot(self) -> dict[str, Any]:
        """Return gauges, counters and histograms; docs/pool.md says how to read them."""
        breaker = {"breaker": self.breaker.state, "probes": self.breaker.probes}
        return breaker | self.slots.snapshot(monotonic())

    def connections(self) -> list[dict[str, Any]]:
        """Return what can be told of each connection: idle, in use (for whom, how long) or being made."""
        now = monotonic()
        return [seen for entry in self.slots.all() if (seen := entry.seen(now))]

    def size(self) -> int:
        """Return how many connections are kept."""
        return self.pool_size

    def timeout(self) -> float | None:
        """Return how long one waits for a connection, in seconds; None means for ever."""
        return self._timeout

    def checkedin(self) -> int:
        """Return how many are idle."""
        return len(self.slots.idle)

    def checkedout(self) -> int:
        """Return how many are in use, or being made."""
        return self.slots.in_use

    def overflow(self) -> int:
        """Return how many more there are than are kept; below 0, how many are missing to that; 0 if all are."""
        return self.checkedin() + self.checkedout() - self.pool_size if self.pool_size else 0

    def status(self) -> str:
        """Return the gauges in words."""
        slots = self.slots
        return f"{slots.in_use} of {slots.permits} in use, {self.checkedin()} idle, {slots.pending} pending"
