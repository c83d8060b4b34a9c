"""siege as the 2010s used it: every client asks again at once, each time on a new connection."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import sakila
from benchmarks.bench.ground import Ground, web_cpu_seconds
from benchmarks.stacks import Running

# siege's own defaults, written down so that nobody's ~/.siege changes them.
SETTINGS = """
verbose = false
color = off
logging = false
protocol = HTTP/1.1
connection = close
parser = false
failures = 1024
"""
IDS = {"london": sakila.first_ids()["London"], "Aden": sakila.first_ids()["Aden"]}


class WrongAnswerError(Exception):
    """The application did not say what it should."""


@dataclass(frozen=True)
class Siege:
    """What one round gave."""

    clients: int
    seconds: float
    per_second: float
    failed: int
    web_percent: float
    database_percent: float


def lay(running: Running, place: Ground, clients: int, seconds: int, folder: Path) -> Siege:
    """Besiege an application for so long, and check its answers before and after."""
    check(running)
    web, server = web_cpu_seconds(running), place.cpu_seconds()
    said = _siege(running, clients, seconds, folder)
    web, server = web_cpu_seconds(running) - web, place.cpu_seconds() - server
    check(running)
    took = said["elapsed_time"]  # before and after it nobody asks, though siege takes a while to end
    percents = web / took * 100, server / took * 100
    return Siege(clients, took, said["transaction_rate"], int(said["failed_transactions"]), *percents)


def warm_up(running: Running, threads: int) -> None:
    """Ask in so many threads at once, so that each of the application's has its connection if it keeps one."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: check(running), range(threads)))


def check(running: Running) -> None:
    """Ask for two cities, London in the spelling of the experiment."""
    for name, city_id in IDS.items():
        right = f'City "{name}" is #{city_id}\n'
        with urllib.request.urlopen(f"{running.url}/?city={name}", timeout=10) as answer:
            if (got := answer.read().decode()) != right:
                raise WrongAnswerError(f"{got!r} instead of {right!r}")


def _siege(running: Running, clients: int, seconds: int, folder: Path) -> dict[str, Any]:
    settings = folder / "siegerc"
    settings.write_text(SETTINGS)
    command = ["siege", f"--rc={settings}", "-b", "-t", f"{seconds}S", "-c", str(clients), "-q", "-j"]
    ask = partial(
        subprocess.run,
        [*command, f"{running.url}/?city=london"],
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=seconds + 20,
        check=True,
    )
    try:
        done = ask()
    except subprocess.TimeoutExpired:  # now and then siege does not end, with all its threads asleep
        done = ask()
    said: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return said
