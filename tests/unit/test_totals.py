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


def test_workers_are_added_up_whatever_state_their_breakers_are_in() -> None:
    both = totals.added([seen(0.0001, 0.2), seen(0.2, breaker="open", in_use=3)])

    assert (both["size"], both["in_use"], both["acquired"]) == (16, 4, 3)
    assert both["breaker"] == {"closed": 1, "half-open": 0, "open": 1}
    waited = both["wait_time"]
    assert (waited["count"], waited["buckets"]["0.0005"], waited["buckets"]["0.25"]) == (3, 1, 3)


def test_nothing_adds_up_to_nothing() -> None:
    assert totals.added([]) == {}


def test_a_difference_is_what_has_been_added_and_never_below_zero() -> None:
    grown = totals.difference(seen(0.1, 0.1, 0.1), seen(0.1, in_use=5))

    assert (grown["acquired"], grown["wait_time"]["count"], grown["in_use"]) == (2, 2, 0)
    assert grown["wait_time"]["sum_seconds"] == pytest.approx(0.2)


def test_the_highest_of_some_moments() -> None:
    peak = totals.highest([seen(in_use=2), seen(in_use=5, breaker="open"), seen(in_use=0)])

    assert peak["in_use"] == 5
    assert peak["breaker"] == {"closed": 1, "half-open": 0, "open": 1}


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
