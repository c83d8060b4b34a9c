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
    assert (both["wait_time"]["count"], both["wait_time"]["buckets"][0.0005], both["wait_time"]["buckets"][0.25]) == (
        3,
        1,
        3,
    )


def test_who_has_ended_is_counted_but_has_no_connections() -> None:
    both = totals.added([seen(0.1), totals.without_gauges(seen(0.1, in_use=5))])

    assert (both["in_use"], both["acquired"]) == (1, 2)


def test_nothing_adds_up_to_nothing() -> None:
    assert totals.added([]) == {}


def test_a_difference_is_what_has_been_added_and_never_below_zero() -> None:
    grown = totals.difference(seen(0.1, 0.1, 0.1), seen(0.1, in_use=5))

    assert (grown["acquired"], grown["wait_time"]["count"], grown["in_use"]) == (2, 2, 0)
    assert grown["wait_time"]["sum_seconds"] == pytest.approx(0.2)


def test_the_highest_of_two_moments() -> None:
    peak = totals.highest(seen(in_use=2), seen(in_use=5, breaker="open"))

    assert peak["in_use"] == 5
    assert peak["breaker"] == {"closed": 1, "half-open": 0, "open": 1}


@pytest.mark.parametrize(
    ("taken", "share", "bound"),
    [([], 0.5, None), ([0.0004], 0.5, 0.0005), ([0.0004] * 9 + [0.3], 0.9, 0.0005), ([0.0004] * 9 + [0.3], 0.99, 0.5)],
)
def test_a_percentile_is_the_bound_of_a_bucket(taken: list[float], share: float, bound: float | None) -> None:
    assert totals.percentile(histogram(taken), share) == bound


def test_what_took_longer_than_the_last_bound_has_none() -> None:
    assert totals.percentile(histogram([60.0]), 0.5) == float("inf")


def test_percentiles_of_what_went_through_a_file() -> None:
    written = histogram([0.0004, 7.0]) | {"buckets": {"0.001": 1, "5.0": 1, "0.0005": 1}}

    assert totals.percentile(written, 0.5) == 0.0005


def test_averages() -> None:
    assert totals.mean(histogram([])) is None
    assert totals.mean(histogram([1.0, 2.0])) == 1.5


def test_the_share_of_time_without_a_statement() -> None:
    assert totals.idle_ratio({"connection_seconds": 10.0, "busy_seconds": 4.0}) == 0.6
    assert totals.idle_ratio({"connection_seconds": 0.0, "busy_seconds": 0.0}) is None
    assert totals.idle_ratio({}) is None


def histogram(taken: list[float]) -> totals.Totals:
    made = Histogram()
    for seconds in taken:
        made.add(seconds)
    return made.snapshot()
