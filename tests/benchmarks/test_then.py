"""The tables of the experiment of the 2010s."""

import pytest

pytest.importorskip("psutil", reason="comes with requirements-bench.txt, which ./run bench installs")

from benchmarks.then.price import Price
from benchmarks.then.siege import Siege
from benchmarks.then.table import report


def rounds(per_second, failed=0):
    return [Siege(clients, 15.0, per_second, failed, 99.6, 45.2) for clients in (1, 4, 8, 16)]


def test_tables_show_rates_gain_cpu_and_prices():
    text = report({"per-request": rounds(50.0), "persistent": rounds(1500.0)}, [Price("a lookup", 0.15, 0.06, 0.05)])

    assert "| a persistent connection a thread | as PyMySQL does it | 1,500 |" in text
    assert "| as PyMySQL does it | 30.0 | 30.0 | 30.0 | 30.0 |" in text
    assert "| 100 + 45 |" in text
    assert "| a lookup | 0.15 | 0.06 | 0.05 |" in text


def test_interrupted_experiment_shows_the_rows_that_are_done():
    text = report({"per-request": rounds(50.0)}, [])

    assert "a connection per request" in text
    assert "a persistent connection" not in text


def test_failed_transactions_stand_beside_the_rate():
    assert "| 50 (3 failed) |" in report({"per-request": rounds(50.0, failed=3)}, [])
