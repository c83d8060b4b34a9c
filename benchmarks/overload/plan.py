"""What is asked of a stack, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.bench.plan import HEADLINE
from benchmarks.overload.answers import GIVE_UP_SECONDS

CLIENTS = HEADLINE
"""What a stack needs for its peak: as many as there are threads."""

TIMES_THE_CLIENTS, TIMES_THE_PEAK = 10, 1.5
LIGHT, HALF = 0.25, 0.5
"""Which part of the peak comes before and after an overload, and while the database is slow."""

ONE_WAY_SECONDS = 0.008
"""What a proxy adds on the way to the database and back: so much that this is what limits, and not the CPU."""

TIMES_SLOWER = 5

SECONDS_TO_START = 3
"""Of a stack, of the process that sends, and of what ends between."""

SCENARIOS = {
    "peak": f"{CLIENTS} clients",
    "crowd": f"{TIMES_THE_CLIENTS * CLIENTS} clients",
    "flood": f"{TIMES_THE_PEAK} x the peak",
    "slow": f"a database {TIMES_SLOWER} x slower",
}
"""Their titles, in the order in which they happen."""


@dataclass(frozen=True)
class Pace:
    """How long each part takes, in seconds."""

    warm: float
    peak: float
    before: float
    overload: float
    after: float
    slow: float
    after_slow: float

    def seconds(self) -> float:
        """Return how long one stack takes, about."""
        closed_loops = 5 * (self.warm + self.peak)
        overloads = 2 * (self.before + self.overload + self.after)
        slow = self.before + self.slow + self.after_slow
        return 2 * SECONDS_TO_START + closed_loops + overloads + slow + GIVE_UP_SECONDS


FULL = Pace(warm=2, peak=6, before=2, overload=10, after=5, slow=30, after_slow=12)
QUICK = Pace(warm=0.5, peak=1, before=1, overload=2, after=1.5, slow=5, after_slow=2.5)
