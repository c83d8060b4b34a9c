from __future__ import annotations

import pytest

from app.operations import totals
from steadypool.core.stats import Histogram, Stats


def seen(*waits: float, breaker: str = "closed", in_use: int = 1) -> totals.Totals:
    stats = Stats()
    for wait in waits:
        stats.note_use(wait, 0.001, 0.0)
    gauges = {"size": 8, "in_use": in_use, "idle": 0, "pending": 0, "breaker": breaker}
    return totals.of(gauges | stats.snapshot(now=1.0))


def test_a_difference_is_what_has_been_added_and_never_below_zero() -> None:
    grown = totals.difference(seen(0.1, 0.1, 0.1), seen(0.1, in_use=5))

    assert (grown["acquired"], grown["wait_time"]["count"], grown["in_use"]) == (2, 2, 0)
    assert grown["wait_time"]["sum_seconds"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("taken", "share", "bound"),
    [
        ([], 0.5, None),
        ([0.0004], 0.5, 0.0005),
        ([0.0004] * 9 + [0.3], 0.9, 0.0005),
        ([0.0004] * 9 + [0.3], 0.99, 0.5),
        ([60.0], 0.5, "inf"),
    ],
)
def test_a_percentile_is_the_bound_of_a_bucket(taken: list[float], share: float, bound: float | str | None) -> None:
    histogram = Histogram()
    for seconds in taken:
        histogram.add(seconds)

    assert totals.percentile(histogram.snapshot(), share) == bound
