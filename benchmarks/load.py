"""One short round of load on one stack, with the CPU it took: for what is measured beside `bench`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.bench import wrk
from benchmarks.stacks import Running


@dataclass(frozen=True)
class Round:
    """What one round gave."""

    clients: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    """Answers that were wrong, failed or never came."""
    user_us: float
    """CPU microseconds of the processes that answer, for each request."""
    kernel_us: float
    """The same, in the kernel."""

    @property
    def web_us(self) -> float:
        """The sum of both."""
        return self.user_us + self.kernel_us


def ask(running: Running, names: Path, clients: int, seconds: int) -> Round:
    """Let wrk ask for random cities for so long; every answer is compared with the right one."""
    before = cpu_seconds(running.workers())
    counted = wrk.load(running.url, names, clients, seconds)
    after = cpu_seconds(running.workers())
    errors = sum(counted[kind] for kind in ("wrong", "failed", "lost", "timeouts"))
    answers = max(1, counted["right"] + counted["wrong"] + counted["failed"])
    user, kernel = ((end - start) / answers * 1e6 for start, end in zip(before, after, strict=True))
    rate = counted["right"] / counted["seconds"]
    return Round(clients, counted["seconds"], rate, counted["p50_ms"], counted["p99_ms"], errors, user, kernel)


def cpu_seconds(pids: list[int]) -> tuple[float, float]:
    """Return how much CPU these processes have used since their start: their own, and the kernel's for them."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(time.user for time in times), sum(time.system for time in times)
