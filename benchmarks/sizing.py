"""How large a pool, how many threads: the application with each pair, near the database and far from it.

`python -m benchmarks.sizing`. A proxy adds the time that a connection is held for: a round trip through a network, or a
statement that takes longer.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from benchmarks.load import Round, ask
from benchmarks.publishing import circumstances, publish, table
from benchmarks.stacks import STACKS, Running
from benchmarks.then.price import lookup
from tests.faults.support import Kind, obtain, seeded_database
from tests.support.proxy import Proxy

# what the proxy adds each way -> what that is like
PLACES = {None: "same host", 0.001: "1 ms away each way", 0.0025: "a statement of 5 ms"}
POOLS, THREADS, CLIENTS = (1, 2, 4, 8, 16), (4, 8, 16, 32), (16, 64)
GOOD_ENOUGH = 0.95

Place = float | None


@dataclass
class Results:
    """What was found out so far."""

    rounds: dict[tuple[Place, int, int, int], Round] = field(default_factory=dict)
    """For a place, clients, threads and connections."""
    held_ms: dict[Place, float] = field(default_factory=dict)
    """How long one lookup takes on an open connection, alone."""


@dataclass(frozen=True)
class Database:
    """A database, its process, and a proxy in front of it."""

    url: str
    pid: int
    proxy: Proxy

    def at(self, place: Place) -> str:
        """Return the address that leads to it from there; the proxy has one delay at a time."""
        if place is None:
            return self.url
        self.proxy.delay(place)
        return self.proxy.url(self.url)


# ---- measuring ----


def measure(seconds: int, pools: tuple[int, ...], threads: tuple[int, ...], results: Results) -> None:
    """Ask the application with each pair of sizes, in each place, with each number of clients."""
    # More connections than threads are never used.
    sizes = [(each, pool) for each, pool in itertools.product(threads, pools) if pool <= each]
    with _database() as database, tempfile.TemporaryDirectory() as name:
        for place in PLACES:
            results.held_ms[place] = lookup(database.at(place), database.pid, 0.5).ms
        for number, (each, pool) in enumerate(sizes, 1):
            print(f"{number}/{len(sizes)}  {each} threads, {pool} connections", file=sys.stderr, flush=True)
            with _near_and_far(database, Path(name), each, pool) as (near, far):
                for place, clients in itertools.product(PLACES, CLIENTS):
                    database.at(place)
                    running = near if place is None else far
                    results.rounds[place, clients, each, pool] = ask(running, clients, seconds)


@contextmanager
def _near_and_far(database: Database, folder: Path, threads: int, pool: int) -> Iterator[list[Running]]:
    """Start the application twice, at once: what is not asked takes no CPU."""
    sizes = {"POOL_SIZE": str(pool), "DATABASE_TLS": "off"}

    with ExitStack() as stack:
        # The kernel ends a process with the thread that started it, so these threads stay as long as the block.
        starters = stack.enter_context(ThreadPoolExecutor(2))
        started = [
            starters.submit(stack.enter_context, STACKS["ours"].start(url, folder, threads=threads, **sizes))
            for url in (database.url, database.proxy.url(database.url))
        ]
        yield [each.result() for each in started]


@contextmanager
def _database() -> Iterator[Database]:
    server = obtain(Kind.MARIADB)
    try:
        with seeded_database(server) as made:
            url = make_url(made.url)
            with Proxy(url.host, url.port, is_mysql=False) as proxy:
                yield Database(made.url, int((server.server.folder / "pid").read_text()), proxy)
    finally:
        server.remove()


# ---- telling ----


def report(results: Results) -> str:
    """Return the law and what was measured, as Markdown."""
    places = [_sweep(results, place, clients) for place in PLACES for clients in CLIENTS]
    return "\n\n".join([_law(results), *filter(None, places)])


def _law(results: Results) -> str:
    """Return how many connections should be busy, by Little's law, and how many were needed."""
    head = ["16 clients", "a connection is held, ms", "most requests/s", "busy by Little's law", "connections needed"]
    rows = []
    for place, title in PLACES.items():
        found = {key: each for key, each in results.rounds.items() if key[:2] == (place, CLIENTS[0])}
        if found:
            most = max(each.per_second for each in found.values())
            busy = most * results.held_ms[place] / 1000
            enough = min(pool for (*_, pool), each in found.items() if each.per_second >= GOOD_ENOUGH * most)
            rows.append([title, f"{results.held_ms[place]:.2f}", f"{most:,.0f}", f"{busy:.1f}", str(enough)])
    return table(head, rows)


def _sweep(results: Results, place: Place, clients: int) -> str:
    found = {key[2:]: each for key, each in results.rounds.items() if key[:2] == (place, clients)}
    pools = sorted({pool for _, pool in found})
    rows = [
        [f"{threads} threads", *(_cell(found.get((threads, pool))) for pool in pools)]
        for threads in sorted({threads for threads, _ in found})
    ]
    head = [f"{PLACES[place]}, {clients} clients: requests/s (p99 ms)", *(f"pool of {pool}" for pool in pools)]
    return table(head, rows) if rows else ""


def _cell(found: Round | None) -> str:
    if found is None:
        return ""
    errors = f", {found.errors} errors" if found.errors else ""
    return f"{found.per_second:,.0f} ({found.p99_ms:.0f}{errors})"


def main() -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two pools, two numbers of threads; writes nothing")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results, was_interrupted = Results(), False
    try:
        measure(1, *(((2, 8), (4, 16)) if options.quick else (POOLS, THREADS)), results)
    except KeyboardInterrupt:
        was_interrupted = True
    text = report(results)
    print(text)
    if not (options.quick or was_interrupted):
        publish("sizing", text, as_data(results), circumstances())
    sys.exit(130 if was_interrupted else 0)


def as_data(results: Results) -> dict[str, object]:
    """Return the same as what JSON can hold."""
    names = ("place", "clients", "threads", "connections")
    rounds = [
        dict(zip(names, (PLACES[key[0]], *key[1:]), strict=True)) | asdict(each) for key, each in results.rounds.items()
    ]
    return {"held_ms": {PLACES[place]: ms for place, ms in results.held_ms.items()}, "rounds": rounds}


if __name__ == "__main__":
    main()
