"""The experiment of the 2010s: its application under uWSGI, and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit import ROOT, processes
from testkit.leaving_out import leave_out
from testkit.servers import MissingError

if TYPE_CHECKING:
    from benchmarks.bench.ground import Ground

pytestmark = pytest.mark.usefixtures("bench_packages")


def test_tables_show_rates_gain_cpu_and_prices_of_what_is_done() -> None:
    from benchmarks.then.price import Price
    from benchmarks.then.siege import Siege
    from benchmarks.then.table import report

    rates = {"per-request": (50.0, 3), "persistent": (1500.0, 0)}  # as if the others had been interrupted
    rounds = {key: [Siege(16, 15.0, rate, failed, 99.6, 45.2)] for key, (rate, failed) in rates.items()}

    text = report(rounds, [Price("a lookup", 0.15, 0.05, 0.07)])

    assert "| a connection per request | as PyMySQL does it | 50 (3 failed) |" in text
    assert "| as PyMySQL does it | 30.0 |" in text
    assert "| 100 + 45 |" in text
    assert "| a lookup | 0.15 | 0.05 | 0.07 | 2,000 |" in text


@pytest.mark.parametrize("document", ["README.md", "steadypool/README.md"])
def test_what_is_said_of_a_new_connection_is_what_was_measured(document: str) -> None:
    said = " ".join((ROOT / document).read_text(encoding="utf-8").split())
    table = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8").partition("| persistent : per request")[2]

    for row in ("off", "as PyMySQL does it"):
        cells = next(line for line in table.splitlines() if line.startswith(f"| {row} |")).split("|")[2:-1]
        found = sorted(map(float, cells))
        digits = ".1f" if found[-1] < 10 else ".0f"
        assert f"{found[0]:{digits}} to {found[-1]:{digits}} times" in said


@pytest.mark.parametrize("key", ["per-request", "persistent-off"])
def test_application_answers_in_many_threads(place: Ground, key: str, tmp_path: Path) -> None:
    from benchmarks.then.siege import warm_up
    from benchmarks.then.variants import THREADS, UWSGI, VARIANTS

    if not processes.program(UWSGI):
        leave_out("benchmarks", MissingError("pyuwsgi must be installed: ./run bench --help does so"))
    before = place.counters()["Connections"]

    with VARIANTS[key].stack.start(place.url, tmp_path, threads=THREADS) as running:
        warm_up(running, THREADS)

    opened = place.counters()["Connections"] - before
    asked = 1 + 2 * THREADS
    assert opened <= THREADS if key == "persistent-off" else opened >= asked
