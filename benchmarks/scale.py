"""`python -m benchmarks.scale [--quick]`: how the lookup and the prefix search grow from 600 to 6,000,000 cities.

Three databases on one server, an application before each, and their rounds in turn (A B C A B C …): a machine that is
busy for a moment is so for all of them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from benchmarks.bench import wrk
from benchmarks.publishing import circumstances, publish, table
from benchmarks.questions import LIMIT, NAMES, PREFIXES, ask, explained, questions_about, write
from benchmarks.stacks import STACKS, Running
from testkit import ROOT, servers
from testkit.databases import Database, environment
from testkit.fault_servers import FaultServer, seeded_database
from testkit.servers import MissingError

SIZES = (600, 60_000, 6_000_000)
BUFFER_POOL = "1G"
"""What MariaDB may keep in memory: 6 million cities and their indexes take 0.7 GB, and are to be in it."""

LARGEST_RATIO = 1.15
"""How much longer a lookup may take among the most cities than among the fewest."""

LAPS, SECONDS = 5, 2
QUICK_LAPS, QUICK_SECONDS = 3, 1
PLAIN = "livez"
"""An answer without a database: what Gunicorn, Flask and the client take of each answer below."""

KINDS = (PLAIN, "lookup", "prefix")
Say = Callable[[str], object]


@dataclass
class Size:
    """An application on so many cities, what it is asked for, and what was measured of it."""

    cities: int
    database: Database
    running: Running
    questions: dict[str, Path]
    facts: dict[str, Any]
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def result(self) -> dict[str, Any]:
        """Return the medians of all rounds."""
        medians = {
            f"{kind}_{name}": statistics.median(each[name] for each in rounds)
            for kind, rounds in self.rounds.items()
            for name in ("p50_ms", "p99_ms")
        }
        memory = max(psutil.Process(pid).memory_info().rss for pid in self.running.workers()) / 1e6
        return {"cities": self.cities, **medians, "web_memory_mb": memory, **self.facts}


def measure(progress: Say, *, quick: bool) -> dict[str, Any]:
    """Return what was measured of each size, and the lookup's p50 at the largest in that at the smallest.

    Raises MissingError without MariaDB's programs.
    """
    laps, seconds = (QUICK_LAPS, QUICK_SECONDS) if quick else (LAPS, SECONDS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sakila-scale-")))
        server = stack.enter_context(_server())
        sizes = []
        for cities in SIZES[:2] if quick else SIZES:
            sizes.append(stack.enter_context(_size(server, cities, folder, progress)))
        progress(f"{laps} rounds of {seconds} s each, in turn")
        for _ in range(laps):
            _lap(sizes, seconds)
        results = [size.result() for size in sizes]
    ratio = results[-1]["lookup_p50_ms"] / results[0]["lookup_p50_ms"]
    return {"sizes": results, "lookup_ratio": ratio, "rounds": laps, "seconds": seconds, "buffer_pool": BUFFER_POOL}


def rows(result: dict[str, Any]) -> str:
    """Return the result as a Markdown table, with a sentence on how to read it."""
    head = ["", *(f"{size['cities']:,} cities" for size in result["sizes"])]
    lines = [[title, *(show(size) for size in result["sizes"])] for title, show in LINES.items()]
    return f"{table(head, lines)}\n\n{_in_words(result)}"


LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "lookup, p50": lambda size: f"{size['lookup_p50_ms']:.3f} ms",
    "lookup, p99": lambda size: f"{size['lookup_p99_ms']:.3f} ms",
    "prefix search, p50": lambda size: f"{size['prefix_p50_ms']:.3f} ms",
    "prefix search, p99": lambda size: f"{size['prefix_p99_ms']:.3f} ms",
    "cities in a page of the search, on average": lambda size: f"{size['page']:.1f}",
    "`/livez`, which asks no database, p50": lambda size: f"{size['livez_p50_ms']:.3f} ms",
    "rows that the server reads for a lookup · a search": lambda size: f"{size['lookup_read']} · {size['prefix_read']}",
    "index of the lookup · of the search": lambda size: f"`{size['lookup_index']}` · `{size['prefix_index']}`",
    "memory of the web process": lambda size: f"{size['web_memory_mb']:.0f} MB",
    "most cities of one name": lambda size: f"{size['namesakes']:,}",
    "`flask load --synthetic`": lambda size: f"{size['load_per_second']:,.0f} rows/s" if size["load_seconds"] else "",
    "its memory at most": lambda size: f"{size['load_memory_mb']:.0f} MB" if size["load_seconds"] else "",
}


def _in_words(result: dict[str, Any]) -> str:
    smallest, largest = result["sizes"][0], result["sizes"][-1]
    return (
        f"The lookup's p50 at {largest['cities']:,} cities is {result['lookup_ratio']:.2f} x that at "
        f"{smallest['cities']:,} (to reach: at most {LARGEST_RATIO} x). One client (wrk on one connection, every "
        f"answer checked), {result['rounds']} rounds of {result['seconds']} s of each size in turn, medians; {NAMES:,} "
        f"cities at random, so that frequent names are asked for often; {PREFIXES} prefixes of three letters, pages of "
        f"{LIMIT}; MariaDB with a buffer pool of {result['buffer_pool']}, in which all fits."
    )


@contextmanager
def _server() -> Iterator[FaultServer]:
    server = FaultServer(servers.start_mariadb_locally("--skip-ssl", f"--innodb-buffer-pool-size={BUFFER_POOL}"))
    try:
        yield server
    finally:
        server.remove()


@contextmanager
def _size(server: FaultServer, cities: int, folder: Path, progress: Say) -> Iterator[Size]:
    with seeded_database(server) as database:
        progress(f"{cities:,} cities")
        facts = _load(database, cities)
        with database.connect() as connection:
            facts["namesakes"] = connection.scalar(MOST_FREQUENT)
            questions = questions_about(connection, cities)
        with STACKS["ours"].start(database.url, folder) as running:
            pages = [ask(running.port, path) for path in questions["prefix"]]
            questions["prefix"] = dict(zip(questions["prefix"], pages, strict=True))
            questions[PLAIN] = {"/livez": ask(running.port, "/livez")}
            facts["page"] = statistics.mean(len(json.loads(page)["items"]) for page in pages)
            for kind in ("lookup", "prefix"):
                facts |= explained(server, database, running.port, kind, next(iter(questions[kind])))
            files = {kind: write(folder / f"{kind}-{cities}", asked) for kind, asked in questions.items()}
            yield Size(cities, database, running, files, facts)


def _load(database: Database, cities: int) -> dict[str, Any]:
    """Fill the table by the command, and return how long it took and how much memory."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "load", "--synthetic", str(cities)]
    began, memory = time.monotonic(), 0
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(database.url), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        while process.poll() is None:
            memory = max(memory, _resident(process.pid))
            time.sleep(0.1)
    finally:
        process.kill()  # nothing to kill, unless Ctrl-C came
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    made, took = cities - SIZES[0], time.monotonic() - began
    return {"load_seconds": took if made else 0, "load_per_second": made / took, "load_memory_mb": memory / 1e6}


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:  # it ends just now
        return 0


MOST_FREQUENT = text("SELECT count(*) AS number FROM city GROUP BY city_key ORDER BY number DESC LIMIT 1")


def _lap(sizes: Iterable[Size], seconds: int) -> None:
    for size in sizes:
        for kind, names in size.questions.items():
            counted = wrk.load(size.running.url, names, 1, seconds)
            if not counted["right"] or counted["wrong"] or counted["failed"] or counted["lost"]:
                raise SystemExit(f"{kind} at {size.cities:,} cities: {counted}")
            size.rounds[kind].append(counted)


def main() -> None:
    """Measure, print, and write a full result among the others."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="600 and 60,000 cities, short rounds; writes nothing")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("python -m benchmarks.scale needs wrk: on Debian and Ubuntu, apt install wrk")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = measure(lambda what: print(what, file=sys.stderr, flush=True), quick=options.quick)
    print(rows(result))
    if not options.quick:
        publish("scale", rows(result), circumstances(programs=("wrk", "mariadbd")))


if __name__ == "__main__":
    try:
        main()
    except MissingError as error:
        sys.exit(f"python -m benchmarks.scale: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
