"""How many second tries there may be: enough for a fail-over, too few to double the load of a sick database."""

from steadypool.core.stats import Stats

SHARE = 0.2
"""Of the uses; the same as in Finagle's retry budget."""
AT_ONCE = 100
"""As many may come together."""


class SecondTries:
    """A token bucket that fills with use; it costs nothing until somebody asks."""

    def __init__(self, stats: Stats) -> None:
        self._stats, self._seen, self._left = stats, 0, float(AT_ONCE)

    def may(self) -> bool:
        """Take one out; return whether there was one."""
        with self._stats.lock:
            used, self._seen = self._stats.acquired - self._seen, self._stats.acquired
            self._left = min(self._left + SHARE * used, AT_ONCE)
            is_there = self._left >= 1
            self._left -= is_there
            return is_there
