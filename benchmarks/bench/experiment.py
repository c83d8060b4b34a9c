"""Carries out a plan. What is done so far stands in `results` at any moment, so that Ctrl-C loses nothing."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.bench import growth, wire, wrk
from benchmarks.bench.ground import Ground, ground
from benchmarks.bench.plan import (
    DELAY,
    HEADLINE,
    PLAIN,
    SECONDS_AROUND_A_ROUND,
    SECONDS_OF_GROWTH,
    SECONDS_OF_WIRE,
    SECONDS_TO_START,
    TLS,
    TWO_WORKERS,
    Condition,
    Plan,
    Step,
)
from benchmarks.bench.progress import Advance
from benchmarks.bench.rounds import measure
from benchmarks.stacks import NotStartedError, Running, Stack

FLOORS = ("floor", "floor-our-worker")
"""The only stack that does not talk to the database."""

WARM_UP_SECONDS = WIRE_SECONDS = 1


class Experiment:
    """A plan, the stacks it is for, and where their logs go."""

    def __init__(self, plan: Plan, stacks: list[Stack], folder: Path, advance: Advance, results: dict[str, Any]):
        self.plan, self.stacks, self.folder, self.advance, self.results = plan, stacks, folder, advance, results
        self.names = wrk.write_names(folder)
        results |= {"rounds": [], "wire": {}, "absent": []}

    def run(self) -> None:
        """Measure everything, what matters most first."""
        with ground(tls=False) as place:
            self.results["mariadb"] = place.server.admin("SELECT VERSION()")[0][0]
            self._measure_condition(self.plan.conditions[0], place)
            self._look_at_the_wire(place)
            if TWO_WORKERS in self.plan.conditions:
                self._measure_condition(TWO_WORKERS, place)
            if DELAY in self.plan.conditions:
                self._time_the_delay(place)
                self._measure_condition(DELAY, place)
            if self.plan.measures_growth:
                self._measure_growth(place)
        if TLS in self.plan.conditions:
            with ground(tls=True) as place:
                self._measure_condition(TLS, place)

    def _measure_condition(self, condition: Condition, place: Ground) -> None:
        self.advance.say(f"{condition.title}: starting {len(self.stacks)} stacks")
        with ExitStack() as running:
            started = {}
            for stack in self.stacks:
                if one := self._start(running, stack, condition, place):
                    started[stack.key] = one
            for step in self.plan.steps(condition):
                if step.lap == 1 or not self.advance.is_late():
                    self._measure_step(step, started, place)

    def _start(self, running: ExitStack, stack: Stack, condition: Condition, place: Ground) -> Running | None:
        """Start a stack for a condition and warm it up; without an answer, note why."""
        environ: dict[str, Any] = {"DATABASE_TLS": "require"} if condition.tls else {}
        accepted = place.counters()["Ssl_accepts"]
        url = place.url
        if condition.delay_seconds:
            # One for each: a proxy that carried the connections of all would be slower for each.
            url = running.enter_context(wire.Wire(url, delay_seconds=condition.delay_seconds)).url
        try:
            one = running.enter_context(stack.start(url, self.folder, condition.workers, **environ))
            wrk.load(one.url, self.names, max(condition.clients), WARM_UP_SECONDS)
        except (NotStartedError, wrk.WrkError) as error:
            self._leave_out(stack, condition, str(error))
            return None
        if condition.tls and stack.key not in FLOORS and place.counters()["Ssl_accepts"] == accepted:
            self._leave_out(stack, condition, "does not use TLS when asked to")
            return None
        self.advance.step(SECONDS_TO_START)
        return one

    def _leave_out(self, stack: Stack, condition: Condition, reason: str) -> None:
        self.advance.say(f"{stack.key} is left out: {reason}")
        self.results["absent"].append({"stack": stack.key, "condition": condition.key, "reason": reason})

    def _measure_step(self, step: Step, started: dict[str, Running], place: Ground) -> None:
        what = f"{step.condition.title}, {step.clients} client{'s' * (step.clients > 1)}, round {step.lap}"
        self.advance.say(what)
        for key, one in started.items():
            self.advance.name(f"{what}: {key}")
            self.results["rounds"].append(measure(key, one, place, step, self.names))
            self.advance.step(step.seconds + SECONDS_AROUND_A_ROUND)

    def _look_at_the_wire(self, place: Ground) -> None:
        """Count, in an extra round of each, the commands on the wire and for how long connections are idle."""
        self.advance.say("commands on the wire and idle ratio, at a proxy")
        with wire.Wire(place.url, watches=True) as proxy:
            for stack in self.stacks:
                proxy.forget()
                try:
                    with stack.start(proxy.url, self.folder) as one:
                        self.results["wire"][stack.key] = self._listen(one, proxy)
                except (NotStartedError, wrk.WrkError) as error:
                    self._leave_out(stack, PLAIN, str(error))
                self.advance.step(SECONDS_OF_WIRE)

    def _listen(self, one: Running, proxy: wire.Wire) -> dict[str, float]:
        proxy.begin()
        wrk.load(one.url, self.names, HEADLINE, WIRE_SECONDS)
        busy = proxy.read()
        return busy | {"commands": wire.commands_per_answer(one.port, proxy)}

    def _time_the_delay(self, place: Ground) -> None:
        with wire.Wire(place.url) as idle:
            through = wire.ping_ms(idle.url)
        with wire.Wire(place.url, delay_seconds=DELAY.delay_seconds) as proxy:
            self.results["delay"] = {
                "direct_ms": wire.ping_ms(place.url),
                "through_proxy_ms": through,
                "with_delay_ms": wire.ping_ms(proxy.url),
            }

    def _measure_growth(self, place: Ground) -> None:
        ours = [stack for stack in self.stacks if stack.key == "ours"]
        for stack in ours:
            self.advance.say(f"memory over {growth.REQUESTS:,} requests: {stack.key}")
            with stack.start(place.url, self.folder) as one:
                self.results["growth"] = growth.measure(one, self.names)
        self.advance.step(SECONDS_OF_GROWTH)
