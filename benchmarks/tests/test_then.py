"""The experiment of the 2010s: its application under uWSGI, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit import processes
from testkit.leaving_out import leave_out
from testkit.servers import MissingError

if TYPE_CHECKING:
    from benchmarks.bench.ground import Ground

pytestmark = pytest.mark.usefixtures("bench_packages")


def report(prices: Sequence[tuple[str, float, float, float]] = (), **rates: tuple[float, int]) -> str:
    from benchmarks.then.price import Price
    from benchmarks.then.siege import Siege
    from benchmarks.then.table import report

    results = {
        key.replace("_", "-"): [Siege(clients, 15.0, rate, failed, 99.6, 45.2) for clients in (1, 4, 8, 16)]
        for key, (rate, failed) in rates.items()
    }
    return report(results, [Price(*price) for price in prices])


def test_tables_show_rates_gain_cpu_and_prices() -> None:
    text = report([("a lookup", 0.15, 0.05, 0.07)], per_request=(50.0, 0), persistent=(1500.0, 0))

    assert "| a persistent connection a thread | as PyMySQL does it | 1,500 |" in text
    assert "| as PyMySQL does it | 30.0 | 30.0 | 30.0 | 30.0 |" in text
    assert "| 100 + 45 |" in text
    assert "| a lookup | 0.15 | 0.05 | 0.07 | 2,000 |" in text


def test_interrupted_experiment_shows_the_rows_that_are_done() -> None:
    text = report(per_request=(50.0, 0))

    assert "a connection per request" in text
    assert "persistent" not in text


def test_failed_transactions_stand_beside_the_rate() -> None:
    assert "| 50 (3 failed) |" in report(per_request=(50.0, 3))


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
