"""By how much the process that answers grows under a long load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.bench import wrk
from benchmarks.bench.ground import web_memory_mb
from benchmarks.bench.plan import HEADLINE
from benchmarks.stacks import Running

WARM_UP, REQUESTS = 2_000, 100_000


def measure(running: Running, names: Path, requests: int = REQUESTS) -> dict[str, Any]:
    """Return the resident memory after some requests to warm up, and after so many more."""
    _answer(running, names, WARM_UP, seconds=1)
    before, done = web_memory_mb(running), 0
    while done < requests:
        done += _answer(running, names, 1, seconds=min(5, 1 + requests // 2000))
    return {"requests": done, "before_mb": before, "after_mb": web_memory_mb(running)}


def _answer(running: Running, names: Path, least: int, *, seconds: int) -> int:
    done = 0
    while done < least:
        counted = wrk.load(running.url, names, HEADLINE, seconds)
        if not counted["right"]:
            raise wrk.WrkError(f"no right answer in {seconds} s: {counted}")
        done += counted["right"]
    return done
