"""`python -m benchmarks.call`: the CPU of one answer in one thread, to see what a cut gives; `counts` has the calls.

The floor, the raw limit and this application in one process, in turn. A server with 16 threads takes more, since each
thread finds the caches cold and waits for the GIL.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import statistics
import sys
from collections.abc import Callable
from functools import partial

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from benchmarks.bench.ground import ground, what_is_missing

ROUNDS, CALLS = 100, 40
ASKED = EnvironBuilder("/", query_string={"city": "London"}, headers=[("Accept", "*/*")]).get_environ()


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.call", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{CALLS} answers each; {ROUNDS} unless given")
    rounds = parser.parse_args().rounds
    if missing := what_is_missing():
        sys.exit(missing)
    with ground(tls=False) as here:
        os.environ["DATABASE_URL"] = here.url
        apps = {"the floor": _peer("floor"), "the raw limit": _peer("raw"), "this application": _ours()}
        costs = measure(apps, rounds)
    floor, raw = costs["the floor"], costs["the raw limit"]
    for name, cost in costs.items():
        times = f"{cost:5.0f} us, {cost - floor:4.0f} over the floor, {(cost - floor) / (raw - floor):.2f} x raw"
        print(f"{name:17} {times}")


def measure(apps: dict[str, Flask], rounds: int) -> dict[str, float]:
    """Return the microseconds of CPU of one answer, the median of so many rounds."""
    times: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(rounds):
        for name, app in apps.items():
            times[name].append(_cpu(partial(_answer, app)))
    return {name: statistics.median(each) for name, each in times.items()}


def _answer(app: Flask) -> None:
    run_wsgi_app(app, ASKED.copy(), buffered=True)


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

    settings = {"DATABASE_URL": os.environ["DATABASE_URL"], "ACCESS_LOG": "off", "ENVIRONMENT": "production"}
    return create_app(load_settings(settings))


if __name__ == "__main__":
    main()
