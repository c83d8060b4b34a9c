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
from benchmarks.overload.load import Event, Load, put_load_on
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
from benchmarks.overload.probes import Probed, probing
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
        """Measure each overload by the peaks just before and after it: a machine does not stay as fast as it was."""
        pace, outcomes = self.pace, {"peak": self._closed_loop(port, SCENARIOS["peak"])}
        peak = _as_a_peak(outcomes["peak"])
        for key in ("crowd", "flood"):
            overload = (
                Phase(pace.overload, clients=TIMES_THE_CLIENTS * CLIENTS)
                if key == "crowd"
                else Phase(pace.overload, rate=TIMES_THE_PEAK * peak)
            )
            phases = [Phase(pace.before, rate=LIGHT * peak), overload, Phase(pace.after, rate=LIGHT * peak)]
            load, probed = self._watch(port, SCENARIOS[key], phases)
            later = _as_a_peak(self._closed_loop(port, f"{SCENARIOS['peak']} again"))
            outcomes[key] = measure(load, 1, (peak + later) / 2, probed)
            peak = later
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
        load, probed = self._watch(port, SCENARIOS["slow"], phases, events)
        return measure(load, 1, possible, probed), {"usual": usual, "slow": possible}

    def _closed_loop(self, port: int, title: str) -> Outcome:
        load, probed = self._watch(port, title, [Phase(self.pace.warm, CLIENTS), Phase(self.pace.peak, CLIENTS)])
        return measure(load, 1, None, probed)

    def _watch(
        self, port: int, title: str, phases: Sequence[Phase], events: Sequence[Event] = ()
    ) -> tuple[Load, Probed]:
        """Have phases happen, of which the second counts."""
        self.say(f"{self.subject.title}: {title}")
        with probing(port, self.subject.probes) as probed:
            return put_load_on(port, phases, self.folder, events), probed


def _warm_up(port: int) -> None:
    """Have as many ask at the same time as will, so that all connections that are kept are there."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(partial(wrk.ask_by_hand, port), [WARM_UP_REQUESTS] * CLIENTS))


def _as_a_peak(outcome: Outcome) -> float:
    if not outcome.goodput:
        raise NoPeakError(f"{CLIENTS} clients got no right answer in {outcome.seconds:g} s")
    return outcome.goodput
