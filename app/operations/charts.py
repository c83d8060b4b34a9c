"""The dashboard's charts: the moments of five minutes in, paths of SVG and a table out; and how times are written.

Each is drawn in a box that is 300 wide, a unit for each second, and 100 high, with 0 at its top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import ceil, log10
from operator import mul
from typing import Any, NamedTuple

from app.operations.reports import SAMPLE_SECONDS

TIMES = "Times, 99 %"
CHARTS = {
    "Connections": ("in_use", "mean_in_use", "idle", "pending", "size"),
    TIMES: ("wait_time", "use_time"),
    "Trouble": ("rejected", "timeouts", "unavailable", "statement_timeouts", "retried"),
}
"""What is drawn in each, by the names that a moment of the history has for it."""

SHORTEST_SECONDS, DECADES = 0.0001, 5
"""The axis of times goes from a tenth of a millisecond to ten seconds."""

UNITS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 0.001}

Moment = Mapping[str, Any]


class Chart(NamedTuple):
    """One picture: `ticks` are evenly spaced, from above; a path for each thing that is drawn, by its name."""

    title: str
    ticks: Sequence[str]
    paths: Mapping[str, str]


def of_pool(history: Sequence[Moment]) -> Iterator[Chart]:
    """Yield the charts of a pool, which share their axis of time."""
    height: Callable[[Any], float]
    for title, names in CHARTS.items():
        if title == TIMES:
            ticks, height = [duration(10**power * SHORTEST_SECONDS) for power in range(DECADES, -1, -1)], logarithmic
        else:
            half = max(1, ceil(max((seen[name] for name in names for seen in history), default=0) / 2))
            ticks, height = [f"{2 * half:,}", f"{half:,}", "0"], partial(mul, 0.5 / half)
        yield Chart(title, ticks, {name: outline(history, name, height) for name in names})


def rows(history: Sequence[Moment]) -> Iterator[dict[str, str]]:
    """Yield all that is drawn, a row for each moment, by the heads of a table."""
    for seen in history:
        told = {"ago": duration(seen["seconds_ago"]), "breaker": seen["breaker"]}
        for name in [name for names in CHARTS.values() for name in names]:
            value = _value(seen, name)
            told[name] = bound(value) if name.endswith("_time") else f"{round(value, 2):,}"
        yield told


def outline(history: Sequence[Moment], name: str, height: Callable[[Any], float]) -> str:
    """Return the SVG path along the tops of bars, down to the ground where nothing was known or counted."""
    way, end = "", 0
    for seen in history:
        if value := _value(seen, name):
            start = 300 - SAMPLE_SECONDS - seen["seconds_ago"]
            way += "" if way and start == end else f"{'V100' if way else ''}M{start} 100"
            end = start + SAMPLE_SECONDS
            way += f"V{100 * (1 - height(value)):.4g}H{end}"
    return f"{way}V100" if way else ""


def logarithmic(seconds: float | str) -> float:
    """Return the share of the height, an equal part for each power of ten; what is beyond the ends, at the end."""
    return min(1.0, log10(max(float(seconds), SHORTEST_SECONDS) / SHORTEST_SECONDS) / DECADES)


def duration(seconds: float | None) -> str:
    """Return a time in the unit that fits it, to two or three digits."""
    if seconds is None:
        return "–"
    unit = next((unit for unit, size in UNITS.items() if seconds >= size), "ms" if seconds else "s")
    number = seconds / UNITS[unit]
    return f"{number:.0f} {unit}" if number >= 10 else f"{round(number, 3):.2g} {unit}"


def bound(seconds: float | str | None) -> str:
    """Return a percentile, which is known by the bucket that it is in; the last one has no end."""
    return "> 5 s" if seconds == "inf" else "–" if seconds is None else f"≤ {duration(float(seconds))}"


def _value(seen: Moment, name: str) -> Any:
    return seen[name]["p99_seconds"] if name.endswith("_time") else seen[name]
