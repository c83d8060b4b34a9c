"""How fast a server answers, and what that costs: rounds of load with the CPU and the switches of all its processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.bench import wrk
from benchmarks.stacks import Running


@dataclass(frozen=True)
class Speed:
    """What one round gave; CPU and switches are those of one request."""

    per_second: float
    cpu_us: float
    switches: float
    errors: int


def ask(running: Running, names: Path, clients: int, seconds: int) -> Speed:
    """Let wrk ask for so long; every answer is compared with the right one."""
    before = _used(running)
    counted = wrk.load(running.url, names, clients, seconds)
    cpu, switches = (after - start for after, start in zip(_used(running), before, strict=True))
    answers = max(1, counted["right"] + counted["wrong"] + counted["failed"])
    errors = sum(counted[kind] for kind in ("wrong", "failed", "lost", "timeouts"))
    return Speed(counted["right"] / counted["seconds"], cpu / answers * 1e6, switches / answers, errors)


def processes(running: Running) -> list[psutil.Process]:
    """Return all of a server's processes, whichever of them answers."""
    first = psutil.Process(running.process.pid)
    return [first, *first.children(recursive=True)]


def _used(running: Running) -> tuple[float, int]:
    """Return the seconds of CPU and the voluntary switches so far; of these 0 where the kernel does not tell."""
    every = processes(running)
    times = [process.cpu_times() for process in every]
    files = [file for process in every for file in Path(f"/proc/{process.pid}/task").glob("*/status")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    switches = sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:"))
    return sum(time.user + time.system for time in times), switches
