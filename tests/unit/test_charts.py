"""Paths of the dashboard's charts, where a sample is five of 300 units; and how times are written."""

from __future__ import annotations

from typing import Any

import pytest

from app.operations import charts


def past(*values: float | None, name: str = "in_use") -> list[dict[str, Any]]:
    """Return a history that ends now; None is a moment of which nothing is known."""
    history = [{"seconds_ago": 5 * (len(values) - 1 - place), name: value} for place, value in enumerate(values)]
    return [seen for seen in history if seen[name] is not None]


@pytest.mark.parametrize(
    ("history", "path"),
    [
        (past(2, 8), "M290 100V75H295V0H300V100"),
        (past(4, None, 4), "M285 100V50H290V100M295 100V50H300V100"),
        (past(4, 0, 4), "M285 100V50H290V100M295 100V50H300V100"),
        (past(), ""),
    ],
    ids=["a step is as long as its sample", "a gap without a sample", "nothing where nothing was", "no history"],
)
def test_paths(history: list[dict[str, Any]], path: str) -> None:
    assert charts.outline(history, "in_use", lambda count: count / 8) == path


@pytest.mark.parametrize(("seconds", "height"), [(0.00001, 0), (0.0001, 0), (0.001, 0.2), (1.0, 0.8), ("inf", 1)])
def test_each_power_of_ten_has_the_same_height(seconds: float | str, height: float) -> None:
    assert charts.logarithmic(seconds) == pytest.approx(height)


@pytest.mark.parametrize(
    ("most", "ticks"), [(0, ["2", "1", "0"]), (3, ["4", "2", "0"]), (1999.2, ["2,000", "1,000", "0"])]
)
def test_an_axis_ends_above_all_that_is_drawn(most: float, ticks: list[str]) -> None:
    quiet = dict.fromkeys([name for names in charts.CHARTS.values() for name in names], 0)
    times = {name: {"p99_seconds": None} for name in charts.CHARTS[charts.TIMES]}

    connections, _, trouble = charts.of_pool([{**quiet, **times, "mean_in_use": most, "seconds_ago": 0}])

    assert (connections.ticks, trouble.ticks) == (ticks, ["2", "1", "0"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((None, "–"), (0, "0 s"), (0.000_012, "0.012 ms"), (0.00532, "5.3 ms"), (0.25, "250 ms"), (2.54, "2.5 s")),
        *((42.4, "42 s"), (60, "1 min"), (185.9, "3.1 min"), (7_260, "2 h"), (90_000, "1 d")),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds: float | None, text: str) -> None:
    assert charts.duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, "–"), (0.001, "≤ 1 ms"), ("inf", "> 5 s")])
def test_a_percentile_is_a_bound(seconds: float | str | None, text: str) -> None:
    assert charts.bound(seconds) == text
