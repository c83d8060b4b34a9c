"""The table of pools and threads."""

import pytest

pytestmark = pytest.mark.usefixtures("bench_packages")


def test_little_s_law_stands_beside_what_was_needed() -> None:
    from benchmarks.load import Round
    from benchmarks.sizing import Results, report

    rates = {1: 200.0, 2: 390.0, 4: 400.0}
    rounds = {
        ("a statement of 5 ms", 16, 8, pool): Round(16, 1.0, rate, 2.0, 9.0, 0, 500, 100)
        for pool, rate in rates.items()
    }

    text = report(Results(rounds, {"a statement of 5 ms": 5.0}))

    assert "| a statement of 5 ms | 5.00 | 400 | 2.0 | 2 |" in text
    assert "| 8 threads | 200 (9) | 390 (9) | 400 (9) |" in text
