"""One short round of load on one stack, with what it cost: for the small experiments beside `bench`."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

import psutil

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
    user_us: float
    """CPU microseconds of the processes that answer, for each request."""
    kernel_us: float
    """The same, in the kernel."""

    @property
    def web_us(self) -> float:
        """The sum of both."""
        return self.user_us + self.kernel_us


def ask(running: Running, clients: int, seconds: int) -> Round:
    """Let wrk ask for London for so long."""
    before = cpu_seconds(running.workers())
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", f"{running.url}/?city=London"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    after = cpu_seconds(running.workers())
    requests = max(1.0, _number(r"(\d+) requests in", said))
    user, kernel = ((end - start) / requests * 1e6 for start, end in zip(before, after, strict=True))
    per_second = _number(r"Requests/sec:\s+([\d.]+)", said)
    return Round(
        clients,
        seconds,
        per_second,
        _milliseconds("50%", said),
        _milliseconds("99%", said),
        _errors(said),
        user,
        kernel,
    )


def cpu_seconds(pids: list[int]) -> tuple[float, float]:
    """Return how much CPU these processes have used since their start: their own, and the kernel's for them."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(time.user for time in times), sum(time.system for time in times)


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _milliseconds(percentile: str, text: str) -> float:
    found = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s|m)\b", text)
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[found[2]] if found else 0.0


def _errors(text: str) -> int:
    """Count answers that are not 2xx or 3xx, and sockets that failed."""
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return int(_number(r"Non-2xx or 3xx responses: (\d+)", text)) + sum(map(int, sockets.groups() if sockets else ()))
