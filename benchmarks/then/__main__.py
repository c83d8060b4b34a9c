"""`python -m benchmarks.then`: measures all variants and writes the tables; with Ctrl-C, those that are done."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.bench.ground import ground
from benchmarks.bench.progress import Advance
from benchmarks.publishing import circumstances, publish
from benchmarks.then.price import Price, prices
from benchmarks.then.siege import Siege, lay, warm_up
from benchmarks.then.table import report
from benchmarks.then.variants import THREADS, UWSGI, VARIANTS, Variant
from testkit import processes


class Plan(NamedTuple):
    """With how many clients, and for how many seconds: what the 2010s asked as well, the others, and a price."""

    clients: tuple[int, ...]
    then: int
    others: int
    price: float

    def length(self, variant: Variant) -> int:
        """Return how long one round is."""
        return self.then if variant.is_the_experiment else self.others

    def seconds(self) -> int:
        """Return how long all of it takes, about."""
        return sum(SECONDS_TO_START + len(self.clients) * self.length(each) for each in VARIANTS.values())


SECONDS_TO_START = 2
# siege stops up to a second early: no round of one second.
FULL, QUICK = Plan((1, 4, 8, 16), 15, 5, 2), Plan((1, 16), 2, 2, 0.5)


def main() -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.then", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="1 and 16 clients, rounds of 2 s; prints the tables, writes nothing"
    )
    options = parser.parse_args()
    if missing := _what_is_missing():
        sys.exit(missing)
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
        publish("then", text, circumstances("pyuwsgi", programs=("siege", "mariadbd")))
    sys.exit(130 if was_interrupted else 0)


def _measure(plan: Plan, results: dict[str, list[Siege]], found: list[Price]) -> None:
    # With TLS, as today's servers have it without being asked.
    with ground(tls=True) as place, tempfile.TemporaryDirectory() as folder, Advance(plan.seconds()) as advance:
        advance.say("what a connection costs")
        found += prices(place.url, place.cpu_seconds, plan.price)
        for key, variant in VARIANTS.items():
            advance.say(f"{key}, {len(plan.clients)} x {plan.length(variant)} s")
            with variant.stack.start(place.url, Path(folder), threads=THREADS) as running:
                warm_up(running, THREADS)
                rounds = []
                for clients in plan.clients:
                    rounds.append(lay(running, place, clients, plan.length(variant), Path(folder)))
                    advance.step(plan.length(variant))
            advance.step(SECONDS_TO_START)
            results[key] = rounds  # whole rows only


def _what_is_missing() -> str:
    """Return the one sentence that says what to install, nothing if all is there."""
    remedies = {
        "siege": "apt install siege",
        "mariadbd": "apt install mariadb-server",
        UWSGI: "./run bench --help installs it",
    }
    missing = [f"{Path(name).name} ({remedy})" for name, remedy in remedies.items() if not processes.program(name)]
    return f"benchmarks.then needs {' and '.join(missing)}" if missing else ""


if __name__ == "__main__":
    main()
