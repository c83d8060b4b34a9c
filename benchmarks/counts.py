"""`python -m benchmarks.counts`: what one warm answer costs, counted: the same on any machine, however busy.

This application, and a view that holds a bare connection, each in a process of its own: the locks are counted by
standing in for `threading.Lock` before anything is imported. With OTEL_EXPORTER_OTLP_ENDPOINT in the environment it
sends spans, so that it is seen what those cost.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from benchmarks.locks import count_all_made_from_now_on
from testkit import ROOT
from testkit.databases import environment

if TYPE_CHECKING:
    from flask import Flask

OURS, RAW = "ours", "raw"
GIVEN = ("DATABASE_URL", "ACCESS_LOG", "ENVIRONMENT", "OTEL_EXPORTER_OTLP_ENDPOINT")
OWN = tuple(str(ROOT / name) for name in ("app", "steadypool", "serving", "settings", "config.py"))
TRIES = 5
"""The least of so many counts: the collector may come by."""


@dataclass(frozen=True)
class Counts:
    """What one warm answer costs."""

    calls: int
    """Of functions, in Python and in C, as cProfile counts them."""
    python_calls: int
    own_calls: int
    """Of this project's functions."""
    own_files: int
    """This project's files that they stand in."""
    lock_sections: int
    """How often a lock is taken that was made in Python."""
    gil_releases: int
    """How often the server's thread lets go of the GIL for it, in calls on sockets."""
    kilobytes: int
    """The most that is allocated at once, as tracemalloc has it; little of it is kept."""


def main() -> None:
    """Print the counts, a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counts", description=main.__doc__)
    parser.add_argument("--of", choices=(OURS, RAW), help=argparse.SUPPRESS)
    parser.add_argument("--locks", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        print(json.dumps(_locks(options.of) if options.locks else _count(options.of)))
        return
    from benchmarks.bench.ground import what_is_missing

    if missing := what_is_missing():
        sys.exit(missing)
    for name, counts in both().items():
        print(f"{name:5}", ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in asdict(counts).items()))


def both() -> dict[str, Counts]:
    """Return the counts of both; raises MissingError where there is no MariaDB."""
    from benchmarks.bench.ground import ground

    with ground(tls=False) as here:
        return {
            name: Counts(**_in_a_process(here.url, name), lock_sections=_in_a_process(here.url, name, "--locks"))
            for name in (OURS, RAW)
        }


def _in_a_process(url: str, name: str, *options: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.counts", "--of", name, *options]
    with tempfile.TemporaryDirectory() as folder:
        # As a worker has it, whose metrics are added to those of others.
        environ = environment(url, ACCESS_LOG="off", ENVIRONMENT="production", PROMETHEUS_MULTIPROC_DIR=folder)
        environ |= {key: value for key, value in os.environ.items() if key.startswith("OTEL_")}
        done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return json.loads(done.stdout.splitlines()[-1])


# ---- in that process ----


def _count(name: str) -> dict[str, int]:
    answer = _warm(name)
    of_python = [_entered(answer) for _ in range(TRIES)]
    own = min(
        ({place: number for place, number in each.items() if place[0].startswith(OWN)} for each in of_python), key=_sum
    )
    return {
        "calls": min(_profiled(answer) for _ in range(TRIES)),
        "python_calls": min(map(_sum, of_python)),
        "own_calls": _sum(own),
        "own_files": len({file for file, _ in own}),
        "gil_releases": _gil_releases(name),
        "kilobytes": min(_allocated(answer) for _ in range(TRIES)) // 1024,
    }


def _gil_releases(name: str) -> int:
    from gunicorn.workers.gthread import ThreadWorker

    from benchmarks import gil
    from serving.worker import GuardedWorker

    return gil.releases(ThreadWorker if name == RAW else GuardedWorker, _app(name))


@cache
def _app(name: str) -> Flask:
    if name == RAW:
        app: Flask = importlib.import_module("benchmarks.peers.raw").app
        return app
    from app import create_app, telemetry
    from config import load_settings

    app = create_app(load_settings({name: os.environ[name] for name in GIVEN if name in os.environ}))
    telemetry.start(app)
    return app


def _warm(name: str) -> Callable[[], object]:
    from werkzeug.test import EnvironBuilder, run_wsgi_app

    app = _app(name)
    asked = EnvironBuilder("/", query_string={"city": "London"}, headers=[("Accept", "*/*")]).get_environ()

    def answer() -> None:
        body, status, _ = run_wsgi_app(app, asked.copy(), buffered=True)
        assert status == "200 OK", b"".join(body)

    for _ in range(TRIES):
        answer()
    return answer


def _profiled(answer: Callable[[], object]) -> int:
    profile = cProfile.Profile()
    profile.runcall(answer)
    return sum(entry.callcount for entry in profile.getstats())


def _entered(answer: Callable[[], object]) -> Counter[tuple[str, str]]:
    """Return which Python functions are called, by file and name, and how often."""
    counted: Counter[tuple[str, str]] = Counter()

    def count(frame: Any, event: str, _argument: object) -> None:
        if event == "call":
            counted[frame.f_code.co_filename, frame.f_code.co_qualname] += 1

    sys.setprofile(count)
    try:
        answer()
    finally:
        sys.setprofile(None)
    return counted


def _sum(counted: dict[tuple[str, str], int]) -> int:
    return sum(counted.values())


def _allocated(answer: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        answer()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        answer()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def _locks(name: str) -> int:
    taken, totals = count_all_made_from_now_on(), []
    answer = _warm(name)
    for _ in range(TRIES):
        taken.clear()
        answer()
        totals.append(taken.total())
    print(*taken.most_common(), sep="\n", file=sys.stderr)
    return min(totals)


if __name__ == "__main__":
    main()
