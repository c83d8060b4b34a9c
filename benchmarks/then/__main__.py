"""`python -m benchmarks.then`: measures all variants and writes the tables; with Ctrl-C, those that are done."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from benchmarks.publishing import circumstances, publish
from benchmarks.then.price import Price, prices
from benchmarks.then.siege import Siege, lay
from benchmarks.then.table import report
from benchmarks.then.variants import CLIENTS, THREADS, UWSGI, VARIANTS
from tests.faults.support import FaultServer, Kind, obtain, seeded_database


class Seconds(NamedTuple):
    """How long a round is: of what the 2010s asked as well, of the others, and of a price."""

    then: int
    others: int
    price: float


FULL, QUICK = Seconds(15, 5, 2), Seconds(1, 1, 0.3)


def main() -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.then", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="rounds of one second; prints the tables, writes nothing")
    options = parser.parse_args()
    _need("siege", "apt install siege")
    _need(UWSGI, "pip install -r requirements-bench.txt")
    # Whoever ends us otherwise than with Ctrl-C gets the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results: dict[str, list[Siege]] = {}
    found: list[Price] = []
    was_interrupted = False
    try:
        _measure(QUICK if options.quick else FULL, results, found)
    except KeyboardInterrupt:
        was_interrupted = True
    text = report(results, found)
    print(text)
    if not (options.quick or was_interrupted):
        data = {key: [asdict(siege) for siege in sieges] for key, sieges in results.items()}
        publish("then", text, {"sieges": data, "prices": [asdict(price) for price in found]}, circumstances("pyuwsgi"))
    sys.exit(130 if was_interrupted else 0)


def _measure(seconds: Seconds, results: dict[str, list[Siege]], found: list[Price]) -> None:
    with _server() as server, seeded_database(server) as database, tempfile.TemporaryDirectory() as name:
        pid, folder = int((server.server.folder / "pid").read_text()), Path(name)
        _say("what a connection costs")
        found += prices(database.url, pid, seconds.price)
        for key, variant in VARIANTS.items():
            length = seconds.then if variant.is_the_experiment else seconds.others
            with variant.stack.start(database.url, folder, threads=THREADS) as running:
                rounds = []
                for clients in CLIENTS:
                    done = sum(map(len, results.values())) + len(rounds)
                    _say(f"{done + 1}/{len(VARIANTS) * len(CLIENTS)}  {key}, {clients} at once, {length} s")
                    rounds.append(lay(running, pid, clients, length, folder))
            results[key] = rounds  # whole rows only


@contextmanager
def _server() -> Iterator[FaultServer]:
    """Yield a MariaDB that offers TLS, as today's servers do without being asked."""
    server = obtain(Kind.MARIADB)
    try:
        yield server
    finally:
        server.remove()


def _need(program: str, remedy: str) -> None:
    if not shutil.which(program):
        sys.exit(f"{Path(program).name} is missing: {remedy}")


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
