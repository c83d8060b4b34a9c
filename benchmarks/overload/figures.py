"""Figures to reach, of this application: each with its limit, what this run measured, and whether that is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

from benchmarks.overload.outcome import Outcome
from benchmarks.overload.plan import SCENARIOS
from benchmarks.overload.trial import Outcomes

OURS = "ours"
LEAST_PERCENT, MOST_SECONDS, MOST_REJECTED_MS, MOST_SECONDS_UNTIL_NORMAL = 90, 1, 50, 2


@dataclass(frozen=True)
class Figure:
    """One figure; without a value there was nothing to measure, and infinity is what never came."""

    name: str
    limit: float
    value: float | None
    unit: str = ""
    is_at_least: bool = False
    absent: str = "not measured"
    """What is said without a value."""

    @property
    def target(self) -> str:
        """Return what is to be reached, in words."""
        return f"at {'least' if self.is_at_least else 'most'} {self.limit:g}{self.unit}"

    def verdict(self) -> str:
        """Return a word: whether it was reached."""
        if self.value is None:
            return self.absent
        is_enough = self.value >= self.limit if self.is_at_least else self.value <= self.limit
        return "reached" if is_enough else "**not reached**"


def figures(results: Mapping[str, Outcomes]) -> list[Figure]:
    """Return all of them, from one run."""
    ours = results.get(OURS, {})
    overloads = [(title, ours.get(key)) for key, title in SCENARIOS.items() if key != "peak"]
    return [figure for title, outcome in overloads for figure in _of_scenario(title, outcome)]


def _of_scenario(title: str, outcome: Outcome | None) -> Iterator[Figure]:
    share = inside = rejected = missed = normal = wrong = None
    if_none = "not measured" if outcome is None else "none there"
    if outcome:
        share, missed, wrong = 100 * outcome.share, outcome.missed, outcome.counts["wrong"]
        # Where nothing was answered no time is short enough.
        inside = inf if outcome.inside.p99 is None else outcome.inside.p99
        rejected = None if outcome.rejected_inside.p99 is None else 1000 * outcome.rejected_inside.p99
        normal = inf if outcome.normal_after is None else outcome.normal_after
    yield Figure(f"{title}: right answers, in what is possible", LEAST_PERCENT, share, " %", is_at_least=True)
    yield Figure(f"{title}: p99 of what is answered, from the first line", MOST_SECONDS, inside, " s")
    yield Figure(f"{title}: p99 of rejections, from the first line", MOST_REJECTED_MS, rejected, " ms", absent=if_none)
    yield Figure(f"{title}: until all is normal again", MOST_SECONDS_UNTIL_NORMAL, normal, " s")
    yield Figure(f"{title}: probes not answered in time", 0, missed)
    yield Figure(f"{title}: wrong answers", 0, wrong)
