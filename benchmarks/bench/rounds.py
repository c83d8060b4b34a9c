"""One round: a stack under load for a second or two, with its answers checked and its costs counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.bench import wrk
from benchmarks.bench.ground import Ground, web_cpu_seconds, web_memory_mb, web_switches
from benchmarks.bench.plan import Step
from benchmarks.stacks import Running


@dataclass(frozen=True)
class Costs:
    """What had been used at a moment."""

    web_cpu: float
    database_cpu: float
    counters: dict[str, int]
    switches: int

    @classmethod
    def now(cls, running: Running, ground: Ground) -> Costs:
        """Look."""
        return cls(web_cpu_seconds(running), ground.cpu_seconds(), ground.counters(), web_switches(running))


def measure(stack: str, running: Running, ground: Ground, step: Step, names: Path) -> dict[str, Any]:
    """Return what one round gave, or with `problem` why it gave nothing."""
    known = {"stack": stack, "condition": step.condition.key, "clients": step.clients, "lap": step.lap}
    problem = wrk.check_by_hand(running.port)
    try:
        before = Costs.now(running, ground)
        counted = wrk.load(running.url, names, step.clients, step.seconds)
        after = Costs.now(running, ground)
        known |= counted | _spent(counted, before, after) | {"memory_mb": web_memory_mb(running)}
    except (wrk.WrkError, psutil.Error, ValueError) as error:  # its processes have gone
        problem = problem or f"{type(error).__name__}: {error}"
    return known | {"problem": problem or wrk.check_by_hand(running.port)}


def _spent(counted: dict[str, Any], before: Costs, after: Costs) -> dict[str, float]:
    answers = max(1, counted["right"] + counted["wrong"] + counted["failed"])
    return {
        "per_second": counted["right"] / counted["seconds"],
        "web_cpu_ms": (after.web_cpu - before.web_cpu) * 1000 / answers,
        "database_cpu_ms": (after.database_cpu - before.database_cpu) * 1000 / answers,
        "switches": (after.switches - before.switches) / answers,  # a thread that ended would take its count along
        "connections": after.counters["Connections"] - before.counters["Connections"],
    }
