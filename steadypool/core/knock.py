"""One try to find out whether a database is back, and how far apart such tries are."""

from collections.abc import Callable
from math import inf

from steadypool.core.threads import start_thread
from steadypool.core.wire import Wire

PAUSE_SECONDS = (0.02, 0.2)
"""The first pause between probes, and the longest: it doubles. With the patience below, a server that is back is
found within a second."""
PATIENCE_SECONDS = 0.5
QUICK_SECONDS = PATIENCE_SECONDS + PAUSE_SECONDS[1]
HELD = 8
SLOWEST_SECONDS = 60.0
"""A server that is frozen lets everybody connect and says nothing. When it goes on it finds those who left, counts them
as interrupted handshakes, and after `max_connect_errors` of them lets nobody in any more from our host. So a probe
that waits there is not given up: it goes on waiting, and is the first to be answered. Eight do so; with each that
comes then the oldest goes, and each comes twice as long after the one before, up to a minute."""


class Knock:
    """A probe in a thread of its own, for as long as it takes: one that is ended is held against us by MySQL."""

    def __init__(
        self,
        probe: "Attempt",
        patience: float,
        seconds: float,
        clock: Callable[[], float],
        tell: Callable[[], None],
        name: str = "database-probe",
    ) -> None:
        self.seconds = seconds
        self.has_arrived: Callable[[], bool] = lambda: False
        """Tells whether it has reached a server that may count it if it ends before its login."""
        self.error: Exception | None = None
        self.has_succeeded = False
        self.patience, self._probe, self._clock, self._tell = patience, probe, clock, tell
        self.wire: Wire | None = None
        self._began, self._ended = clock(), inf
        self._ends = self._began + seconds
        try:
            start_thread(name, self._try)
        except RuntimeError as error:  # no more threads
            self.error, self._ended = error, self._began

    @property
    def is_over(self) -> bool:
        """Tell whether it has come to an end."""
        return self.error is not None or self.has_succeeded

    @property
    def has_news(self) -> bool:
        """Tell whether it came to an end by itself."""
        return self.has_succeeded or (self.error is not None and self._ended < self._ends)

    @property
    def is_answered(self) -> bool:
        """Tell whether somebody said no; an end after a long silence is none."""
        return self.error is not None and self._ended - self._began < self.patience

    def note_wire(self, wire: Wire) -> None:
        """Note what it goes over; another wire was that of somebody's first try, elsewhere."""
        if self.wire:
            self.wire.close()
        self.wire = wire

    def end_if_due(self, now: float) -> None:
        """End it if its time is over, from another thread."""
        if self.wire and now >= self._ends:
            self.wire.cut()

    def end_within(self, seconds: float) -> None:
        """Have it last no longer than that."""
        self._ends = min(self._ends, self._clock() + seconds)

    def _try(self) -> None:
        try:
            self._probe(self)
        except Exception as error:
            # Without the frames that it came through, which would keep what they have: the pool.
            error.__cause__ = error.__context__ = None
            self._ended, self.error = self._clock(), error.with_traceback(None)
        else:
            self._ended, self.has_succeeded = self._clock(), True
        finally:
            if self.wire:
                self.wire.close()
        self._tell()


Attempt = Callable[[Knock], None]


def spacing_seconds(unanswered: int) -> float:
    """Return how long after so many probes that reached a silent server the next one comes."""
    return QUICK_SECONDS if unanswered < HELD else min(QUICK_SECONDS * 2 ** (unanswered - HELD + 1), SLOWEST_SECONDS)


def held_seconds(unanswered: int) -> float:
    """Return how long a probe may be silent: until so many others have come after it."""
    return sum(map(spacing_seconds, range(unanswered, unanswered + HELD)))
