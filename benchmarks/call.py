"""`python -m benchmarks.call`: the CPU of one answer in one thread without HTTP, to see what a cut gives.

The floor, the raw limit and this application in one process, in turn. A server with 16 threads takes more, since each
thread finds the caches cold and waits for the GIL.
"""

from __future__ import annotations

import importlib
import os
import resource
import statistics
import sys
from collections.abc import Callable

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from benchmarks.bench.ground import ground, what_is_missing

ROUNDS, CALLS = 100, 40


def main() -> None:
    """Print a line for each."""
    if missing := what_is_missing():
        sys.exit(missing)
    with ground(tls=False) as here:
        os.environ["DATABASE_URL"] = here.url
        apps = {"the floor": _peer("floor"), "the raw limit": _peer("raw"), "this application": _ours()}
        costs = measure(apps)
    floor, raw = costs["the floor"], costs["the raw limit"]
    for name, cost in costs.items():
        print(
            f"{name:17} {cost:5.0f} us, {cost - floor:4.0f} over the floor, {(cost - floor) / (raw - floor):.2f} x raw"
        )


def measure(apps: dict[str, Flask]) -> dict[str, float]:
    """Return the microseconds of CPU of one answer, the median of many rounds."""
    environ = EnvironBuilder("/", query_string={"city": "London"}, headers={"Accept": "*/*"}).get_environ()
    rounds: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            rounds[name].append(_cpu(lambda app=app: run_wsgi_app(app, environ.copy(), buffered=True)))
    return {name: statistics.median(each) for name, each in rounds.items()}


def _cpu(call: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(CALLS):
        call()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / CALLS * 1e6


def _peer(name: str) -> Flask:
    app: Flask = importlib.import_module(f"benchmarks.peers.{name}").app
    return app


def _ours() -> Flask:
    from app import create_app
    from config import load_settings

    return create_app(load_settings({"DATABASE_URL": os.environ["DATABASE_URL"], "ACCESS_LOG": "off"}))


if __name__ == "__main__":
    main()
