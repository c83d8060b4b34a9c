"""One stack, taken through all scenarios, alone on the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.bench import wrk
from benchmarks.bench.ground import Ground
from benchmarks.overload.answers import Phase
from benchmarks.overload.load import Event, put_load_on
from benchmarks.overload.outcome import Outcome, measure
from benchmarks.overload.plan import (
    CLIENTS,
    HALF,
    LIGHT,
    ONE_WAY_SECONDS,
    SCENARIOS,
    TIMES_THE_CLIENTS,
    TIMES_THE_PEAK,
    Pace,
)
from benchmarks.overload.probes import probing
from benchmarks.overload.subjects import Subject
from testkit.proxy import Proxy

Outcomes = dict[str, Outcome]
"""By scenario."""

WARM_UP_REQUESTS = 10


class NoPeakError(Exception):
    """There is nothing to measure the rest by."""


@dataclass(frozen=True)
class Trial:
    """What does not change from scenario to scenario."""

    subject: Subject
    place: Ground
    folder: Path
    pace: Pace
    say: Callable[[str], object]

    def hold(self, slow_one_way: float) -> tuple[Outcomes, dict[str, float]]:
        """Return the outcomes, and what 16 clients got a second from behind the proxy, `usual` and `slow`.

        Raises NotStartedError, GeneratorError, NoPeakError, and OSError where it does not answer at the beginning.
        """
        with self.subject.stack.start(self.place.url, self.folder) as running:
            _warm_up(running.port)
            outcomes = self._overload(running.port)
        with (
            Proxy("127.0.0.1", self.place.server.port, is_mysql=False) as proxy,
            self.subject.stack.start(proxy.url(self.place.url), self.folder) as running,
        ):
            _warm_up(running.port)
            outcomes["slow"], behind = self._slow_down(running.port, proxy, slow_one_way)
        return outcomes, behind

    def _overload(self, port: int) -> Outcomes:
        pace, outcomes = self.pace, {"peak": self._closed_loop(port, SCENARIOS["peak"])}
        peak = _as_a_peak(outcomes["peak"])
        before, after = Phase(pace.before, rate=LIGHT * peak), Phase(pace.after, rate=LIGHT * peak)
        overloads = {
            "crowd": Phase(pace.overload, clients=TIMES_THE_CLIENTS * CLIENTS),
            "flood": Phase(pace.overload, rate=TIMES_THE_PEAK * peak),
        }
        for key, overload in overloads.items():
            outcomes[key] = self._watch(port, SCENARIOS[key], [before, overload, after], peak)
        return outcomes

    def _slow_down(self, port: int, proxy: Proxy, slow_one_way: float) -> tuple[Outcome, dict[str, float]]:
        slow, quick = partial(proxy.delay, slow_one_way), partial(proxy.delay, ONE_WAY_SECONDS)
        quick()
        usual = _as_a_peak(self._closed_loop(port, "behind the proxy"))
        slow()
        possible = self._closed_loop(port, "behind the slow proxy").goodput
        quick()
        pace, rate = self.pace, HALF * usual
        phases = [Phase(seconds, rate=rate) for seconds in (pace.before, pace.slow, pace.after_slow)]
        events = [(pace.before, slow), (pace.before + pace.slow, quick)]
        outcome = self._watch(port, SCENARIOS["slow"], phases, possible, events)
        return outcome, {"usual": usual, "slow": possible}

    def _closed_loop(self, port: int, title: str) -> Outcome:
        return self._watch(port, title, [Phase(self.pace.warm, CLIENTS), Phase(self.pace.peak, CLIENTS)], None)

    def _watch(
        self,
        port: int,
        title: str,
        phases: Sequence[Phase],
        capacity: float | None,
        events: Sequence[Event] = (),
    ) -> Outcome:
        """Have phases happen, of which the second counts."""
        self.say(f"{self.subject.title}: {title}")
        with probing(port, self.subject.probes) as probed:
            load = put_load_on(port, phases, self.folder, events)
        return measure(load, 1, capacity, probed)


def _warm_up(port: int) -> None:
    """Have as many ask at the same time as will, so that all connections that are kept are there."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(partial(wrk.ask_by_hand, port), [WARM_UP_REQUESTS] * CLIENTS))


def _as_a_peak(outcome: Outcome) -> float:
    if not outcome.goodput:
        raise NoPeakError(f"{CLIENTS} clients got no right answer in {outcome.seconds:g} s")
    return outcome.goodput
