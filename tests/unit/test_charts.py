"""Shapes of the dashboard's charts; a sample is five seconds, and so are five units of the box."""

from __future__ import annotations

from typing import Any

import pytest

from app.operations import charts
from app.operations.charts import Box, Chart

QUIET: dict[str, Any] = {
    **dict.fromkeys(("in_use", "idle", "pending", "opened", "rejected", "timeouts", "unavailable", "retried"), 0),
    "size": 8,
    "mean_in_use": 0.0,
    "breaker": "closed",
    "closed": {},
    **{name: {"mean_seconds": None, "p99_seconds": None} for name in ("wait_time", "use_time")},
}


def past(*seen: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a history that ends now, with what differs from a quiet one."""
    return [QUIET | {"seconds_ago": 5 * (len(seen) - 1 - place)} | each for place, each in enumerate(seen)]


def use(history: list[dict[str, Any]]) -> list[list[charts.Step]]:
    return charts.steps(history, lambda sample: sample["in_use"], charts.linear(8))


def paths(chart: Chart) -> dict[str, str]:
    return {line.kind: line.path for line in chart.lines}


def test_a_step_ends_when_its_sample_was_taken() -> None:
    assert use(past({"in_use": 2}, {"in_use": 8})) == [[(290.0, 295.0, 75.0), (295.0, 300.0, 0.0)]]


def test_a_line_has_a_gap_where_there_is_no_sample() -> None:
    first, _, last = past({"in_use": 4}, {}, {"in_use": 4})

    assert charts.line_path(use([first, last])) == "M285 50H290M295 50H300"


def test_a_line_has_a_gap_where_nothing_was_counted() -> None:
    history = past(
        {"wait_time": {"p99_seconds": 0.001}},
        {"wait_time": {"p99_seconds": None}},
        {"wait_time": {"p99_seconds": "inf"}},
    )

    runs = charts.steps(history, charts._seconds("wait_time", "p99_seconds"), charts.logarithmic)

    assert charts.line_path(runs) == "M285 80H290M295 0H300"


def test_equal_steps_are_one() -> None:
    assert charts.line_path(use(past({"in_use": 4}, {"in_use": 4}, {"in_use": 0}))) == "M285 50H295V100H300"


def test_an_area_stands_on_the_ground() -> None:
    assert charts.area_path(use(past({"in_use": 4}, {"in_use": 8}))) == "M290 100V50H295V0H300V100Z"


def test_nothing_is_drawn_of_nothing() -> None:
    assert charts.line_path([]) == charts.area_path([]) == ""
    assert {line.path for chart in charts.of_pool([]) for line in chart.lines} == {""}


def test_what_is_higher_than_the_top_stays_in_the_box() -> None:
    assert charts.linear(8)(9) == 0


@pytest.mark.parametrize(
    ("seconds", "height"), [(0.0, 100), (0.0001, 100), (0.001, 80), (1.0, 20), (10.0, 0), (float("inf"), 0)]
)
def test_each_power_of_ten_has_the_same_height(seconds: float, height: float) -> None:
    assert charts.logarithmic(seconds) == pytest.approx(height)


@pytest.mark.parametrize(("number", "top"), [(0, 2), (1, 2), (3, 4), (16, 16), (17, 18), (101, 120), (1234, 1400)])
def test_the_top_of_an_axis_is_easily_read(number: float, top: int) -> None:
    assert charts.rounded_up(number) == top


def test_the_breaker_is_behind_the_chart_while_it_is_not_closed() -> None:
    states = ["closed", "half-open", "open", "open", "closed"]

    assert charts.bands(past(*({"breaker": state} for state in states))) == [
        Box("breaker-half-open", 280, 5),
        Box("breaker-open", 285, 10),
    ]


def test_each_chart_says_in_words_that_the_breaker_was_open() -> None:
    for chart in charts.of_pool(past({"breaker": "open"}, {"breaker": "open"})):
        assert ("breaker-open", "breaker open (10 s)") in chart.keys
        assert chart.summary.endswith("Behind it: breaker open (10 s).")


def test_connections_are_opened_upwards_and_closed_downwards() -> None:
    changes = charts.of_pool(past({"opened": 4, "closed": {"idle": 1, "stale": 1}}))[2]

    assert paths(changes) == {"opened": "M295 0h5V50h-5z", "closed": "M295 50h5V75h-5z"}
    assert changes.summary == "4 connections were opened and 2 closed."


def test_retries_stand_on_refusals() -> None:
    trouble = charts.of_pool(past({"rejected": 1, "timeouts": 1, "unavailable": 1, "retried": 3}))[3]

    assert paths(trouble) == {"rejected": "M295 50h5V100h-5z", "retried": "M295 0h5V50h-5z"}


def test_the_numbers_are_in_the_words_as_well() -> None:
    busy = {"in_use": 8, "idle": 1, "pending": 3, "use_time": {"mean_seconds": 0.01, "p99_seconds": 0.025}}

    use, times, *_ = charts.of_pool(past({}, busy))

    assert use.summary == "At most 8 of 8 connections were in use, 1 idle, and 3 threads pending."
    assert times.summary == "In the slowest five seconds 99 % took: to wait not measured, to be used ≤ 25 ms."
