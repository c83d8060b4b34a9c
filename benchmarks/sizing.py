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

from benchmarks.bench import wrk
from benchmarks.bench.ground import Ground, ground, what_is_missing
from benchmarks.bench.progress import Advance
from benchmarks.bench.wire import Wire
from benchmarks.load import Round, ask
from benchmarks.publishing import circumstances, publish, table
from benchmarks.stacks import STACKS, Running
from benchmarks.then.price import lookup

# what that is like -> what the proxy adds each way
PLACES = {"same host": 0.0, "1 ms away each way": 0.001, "a statement of 5 ms": 0.0025}
POOLS, THREADS, CLIENTS = (1, 2, 4, 8, 16), (4, 8, 16, 32), (16, 64)
SECONDS_OF_A_ROUND, SECONDS_TO_START = 1, 3
GOOD_ENOUGH = 0.95


@dataclass
class Results:
    """What was found out so far."""

    rounds: dict[tuple[str, int, int, int], Round] = field(default_factory=dict)
    """For a place, clients, threads and connections."""
    held_ms: dict[str, float] = field(default_factory=dict)
    """How long one lookup takes on an open connection, alone."""


# ---- measuring ----


def measure(pools: tuple[int, ...], threads: tuple[int, ...], results: Results) -> None:
    """Ask the application with each pair of sizes, in each place, with each number of clients."""
    # More connections than threads are never used.
    sizes = [(each, pool) for each, pool in itertools.product(threads, pools) if pool <= each]
    seconds = SECONDS_TO_START + len(PLACES) * len(CLIENTS) * SECONDS_OF_A_ROUND
    with (
        tempfile.TemporaryDirectory() as folder,
        _addresses() as (here, urls),
        Advance(len(sizes) * seconds) as advance,
    ):
        names = wrk.write_names(Path(folder))
        results.held_ms |= {place: lookup(url, here.cpu_seconds, 0.5).ms for place, url in urls.items()}
        for each, pool in sizes:
            advance.say(f"{each} threads, {pool} connection{'s' * (pool > 1)}")
            with _everywhere(urls, Path(folder), each, pool) as running:
                for place, clients in itertools.product(PLACES, CLIENTS):
                    results.rounds[place, clients, each, pool] = ask(running[place], names, clients, SECONDS_OF_A_ROUND)
            advance.step(seconds)


@contextmanager
def _addresses() -> Iterator[tuple[Ground, dict[str, str]]]:
    """Yield the server, and the address of the database for each place."""
    with ground(tls=False) as here, ExitStack() as proxies:
        delayed = {place: delay for place, delay in PLACES.items() if delay}
        urls = {
            place: proxies.enter_context(Wire(here.url, delay_seconds=delay)).url for place, delay in delayed.items()
        }
        yield here, {"same host": here.url} | urls


@contextmanager
def _everywhere(urls: dict[str, str], folder: Path, threads: int, pool: int) -> Iterator[dict[str, Running]]:
    """Start the application in each place, all at once: one that is not asked takes no CPU."""
    with ExitStack() as stack:
        # The kernel ends a process with the thread that started it, so these threads stay as long as the block.
        starters = stack.enter_context(ThreadPoolExecutor(len(urls)))

        def start(url: str) -> Running:
            return stack.enter_context(STACKS["ours"].start(url, folder, threads=threads, POOL_SIZE=str(pool)))

        started = {place: starters.submit(start, url) for place, url in urls.items()}
        yield {place: future.result() for place, future in started.items()}


# ---- telling ----


def report(results: Results) -> str:
    """Return the law and what was measured, as Markdown."""
    places = [_sweep(results, place, clients) for place in PLACES for clients in CLIENTS]
    return "\n\n".join([_law(results), *filter(None, places)])


def _law(results: Results) -> str:
    """Return how many connections should be busy, by Little's law, and how many were needed."""
    head = ["16 clients", "a connection is held, ms", "most requests/s", "busy by Little's law", "connections needed"]
    rows = []
    for place in PLACES:
        found = {key: each for key, each in results.rounds.items() if key[:2] == (place, CLIENTS[0])}
        if found:
            most = max(each.per_second for each in found.values())
            busy = most * results.held_ms[place] / 1000
            enough = min(pool for (*_, pool), each in found.items() if each.per_second >= GOOD_ENOUGH * most)
            rows.append([place, f"{results.held_ms[place]:.2f}", f"{most:,.0f}", f"{busy:.1f}", str(enough)])
    return table(head, rows)


def _sweep(results: Results, place: str, clients: int) -> str:
    found = {key[2:]: each for key, each in results.rounds.items() if key[:2] == (place, clients)}
    pools = sorted({pool for _, pool in found})
    rows = [
        [f"{threads} threads", *(_cell(found.get((threads, pool))) for pool in pools)]
        for threads in sorted({threads for threads, _ in found})
    ]
    head = [f"{place}, {clients} clients: requests/s (p99 ms)", *(f"pool of {pool}" for pool in pools)]
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
    if missing := what_is_missing():
        sys.exit(missing)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results, was_interrupted = Results(), False
    try:
        if options.quick:
            measure((2, 8), (4, 16), results)
        else:
            measure(POOLS, THREADS, results)
    except KeyboardInterrupt:
        was_interrupted = True
    text = report(results)
    print(text)
    if not (options.quick or was_interrupted):
        publish("sizing", text, as_data(results), circumstances(programs=("wrk", "mariadbd")))
    sys.exit(130 if was_interrupted else 0)


def as_data(results: Results) -> dict[str, object]:
    """Return the same as what JSON can hold."""
    names = ("place", "clients", "threads", "connections")
    rounds = [dict(zip(names, key, strict=True)) | asdict(each) for key, each in results.rounds.items()]
    return {"held_ms": results.held_ms, "rounds": rounds}


if __name__ == "__main__":
    main()
