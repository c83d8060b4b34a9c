"""The figures of one stack in one scenario, counted from its requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import NamedTuple

from benchmarks.overload.answers import KINDS, Answer, Kind
from benchmarks.overload.load import Load
from benchmarks.overload.probes import Probed

BIN_SECONDS = 0.5
STEP_SECONDS = 0.1
NORMAL_SHARE, NORMAL_TIMES, NORMAL_LEAST_SECONDS = 0.9, 2, 0.05
"""It is normal again when nine of ten of the requests that were due in half a second were answered right, within twice
the p99 of before; what is quicker than 50 ms counts as that."""


class Percentiles(NamedTuple):
    """Of some times, in seconds; None where there were none."""

    p50: float | None
    p99: float | None


class Moment(NamedTuple):
    """Half a second: right answers a second that came in it, and how many were possible."""

    goodput: float
    possible: float


@dataclass(frozen=True)
class Outcome:
    """What happened to the requests that were due during the overload; the goodput is what came during it."""

    seconds: float
    counts: dict[Kind, int]
    goodput: float
    possible: float
    inside: Percentiles
    """Of what was answered and not rejected, from the application's first line."""
    client: Percentiles
    """Of the same, from the moment at which it was due."""
    rejected_inside: Percentiles
    rejected_client: Percentiles
    """Of both kinds of rejections."""
    probes: dict[str, tuple[int, int]]
    """How often each path was asked, and how often it did not answer in time; from before the overload to the end."""
    normal_after: float | None
    """Seconds from the end of the overload; None for not within what was watched."""
    generator_cpu: float
    """The most of a core that the process that sends took in any phase."""
    series: list[Moment]
    span: tuple[float, float]
    """When the overload began and ended, in the series' seconds."""

    @property
    def share(self) -> float:
        """Return the goodput in what was possible."""
        return self.goodput / self.possible if self.possible else 0.0

    @property
    def missed(self) -> int:
        """Return how many probes had no answer in time."""
        return sum(missed for _, missed in self.probes.values())


def measure(load: Load, number: int, capacity: float | None, probed: Probed) -> Outcome:
    """Count what happened in phase `number`, in which `capacity` right answers a second were possible.

    Without a capacity what came is what was possible.
    """
    due, (began, ended), phase = load.due_in(number), load.span(number), load.phases[number]
    goodput = _right_between(load.answers, began, ended) / phase.seconds
    is_the_measure = capacity is None
    capacity = goodput if capacity is None else capacity
    served = [answer for answer in due if answer.kind in ("right", "wrong", "failed")]
    rejected = [answer for answer in due if answer.kind in ("rejected", "rejected before")]
    counted = Counter(answer.kind for answer in due)
    return Outcome(
        seconds=phase.seconds,
        counts={kind: counted[kind] for kind in KINDS},
        goodput=goodput,
        possible=min(capacity, inf if phase.clients else len(due) / phase.seconds),
        inside=percentiles(_insides(served)),
        client=percentiles(answer.ended - answer.due for answer in served),
        rejected_inside=percentiles(_insides(rejected)),
        rejected_client=percentiles(answer.ended - answer.due for answer in rejected),
        probes={path: (asked, probed.missed[path]) for path, asked in probed.asked.items()},
        normal_after=_normal_after(load, number),
        generator_cpu=max(load.cpu),
        series=[] if is_the_measure else list(_series(load, number, capacity)),
        span=(began, ended),
    )


def percentiles(times: Iterable[float]) -> Percentiles:
    """Return the median and the 99th percentile, each one of these times."""
    ranked = sorted(times)
    if not ranked:
        return Percentiles(None, None)
    return Percentiles(*(ranked[ceil(share * len(ranked)) - 1] for share in (0.5, 0.99)))


def _insides(answers: Iterable[Answer]) -> list[float]:
    return [answer.inside for answer in answers if answer.inside is not None]


def _right_between(answers: Iterable[Answer], began: float, ended: float) -> int:
    return sum(answer.kind == "right" and began <= answer.ended < ended for answer in answers)


def _series(load: Load, number: int, capacity: float) -> Iterable[Moment]:
    """Yield the moments. In a closed loop as much is possible as can be served, in an open one no more than is due."""
    (began, ended), width = load.span(number), BIN_SECONDS
    total = sum(phase.seconds for phase in load.phases)
    right, due = [Counter[int](), Counter[int]()]
    for answer in load.answers:
        due[int(answer.due / width)] += 1
        right[int(answer.ended / width)] += answer.kind == "right"
    for place in range(int(total / width)):
        is_watched = began <= (place + 0.5) * width < ended
        offered = inf if is_watched and load.phases[number].clients else due[place] / width
        yield Moment(right[place] / width, min(offered, capacity if is_watched else inf))


def _normal_after(load: Load, number: int) -> float | None:
    if not 0 < number < len(load.phases) - 1:
        return None
    before = percentiles(answer.ended - answer.due for answer in load.due_in(number - 1) if answer.kind == "right")
    limit = max(NORMAL_LEAST_SECONDS, NORMAL_TIMES * (before.p99 or 0.0))
    began, ended = load.span(number + 1)
    later = load.due_in(number + 1)
    for step in range(int((ended - began - BIN_SECONDS) / STEP_SECONDS) + 1):
        moment = step * STEP_SECONDS
        if _is_normal([each for each in later if moment <= each.due - began < moment + BIN_SECONDS], limit):
            return moment
    return None


def _is_normal(answers: Sequence[Answer], limit: float) -> bool:
    quick = sum(answer.kind == "right" and answer.ended - answer.due <= limit for answer in answers)
    return bool(answers) and quick >= NORMAL_SHARE * len(answers)
