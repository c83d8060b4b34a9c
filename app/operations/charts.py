"""The dashboard's charts: numbers in, shapes of SVG out.

Each is drawn in a box that is 300 wide, a unit for each second of five minutes, and 100 high, with 0 at its top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, log10
from typing import Any

from app.operations import wording
from app.operations.reports import SAMPLE_SECONDS

WIDTH, HEIGHT = 300, 100
SHORTEST_SECONDS, DECADES = 0.0001, 5
"""The axis of times goes from a tenth of a millisecond to ten seconds."""

Point = dict[str, Any]
Value = Callable[[Point], float | None]
Scale = Callable[[float], float]
Step = tuple[float, float, float]
"""From where to where a value held, and its height in the box."""


@dataclass(frozen=True)
class Line:
    """A line in steps, the area below it, or bars; `kind` is its class, by which the stylesheet gives it a colour."""

    kind: str
    name: str
    path: str
    shape: str = "line"


@dataclass(frozen=True)
class Box:
    """A rectangle: a time in which the breaker was not closed."""

    kind: str
    x: float
    width: float
    y: float = 0
    height: float = HEIGHT


@dataclass(frozen=True)
class Chart:
    """One picture: `summary` is for those who do not see it, `ticks` are evenly spaced, from above."""

    title: str
    summary: str
    ticks: Sequence[str]
    lines: Sequence[Line] = ()
    bands: Sequence[Box] = ()
    keys: Sequence[tuple[str, str]] = ()
    """Class and name of each thing that is drawn."""


def of_pool(history: Sequence[Point]) -> list[Chart]:
    """Return the charts of a pool, the four of them with the same axis of time."""
    return [_use(history), _times(history), _changes(history), _trouble(history)]


def bands(history: Iterable[Point]) -> list[Box]:
    """Return when the breaker was half-open or open, neighbours of one state joined."""
    found: list[Box] = []
    for state, samples in groupby(history, key=lambda sample: str(sample["breaker"])):
        if state != "closed":
            together = list(samples)
            start, end = _start(together[0]), _end(together[-1])
            found.append(Box(f"breaker-{state}", start, end - start))
    return found


def steps(history: Iterable[Point], value: Value, scale: Scale) -> list[list[Step]]:
    """Return the heights in runs without a gap; there is one wherever nothing was known or counted."""
    runs: list[list[Step]] = []
    for sample in history:
        if (known := value(sample)) is None:
            continue
        step = (_start(sample), _end(sample), scale(known))
        if runs and runs[-1][-1][1] == step[0]:
            runs[-1].append(step)
        else:
            runs.append([step])
    return runs


def line_path(runs: Iterable[Sequence[Step]]) -> str:
    """Return the SVG path along the steps."""
    return "".join(f"M{run[0][0]:g} {run[0][2]:.4g}{_along(run)}" for run in runs)


def area_path(runs: Iterable[Sequence[Step]]) -> str:
    """Return the SVG path around what is below the steps."""
    return "".join(f"M{run[0][0]:g} {HEIGHT}V{run[0][2]:.4g}{_along(run)}V{HEIGHT}Z" for run in runs)


def bars_path(history: Iterable[Point], heights: Iterable[tuple[float, float]]) -> str:
    """Return the SVG path around a bar for each sample, from one height to a lower one; none where they are equal."""
    return "".join(
        f"M{_start(sample):g} {above:.4g}h{SAMPLE_SECONDS}V{below:.4g}h-{SAMPLE_SECONDS}z"
        for sample, (above, below) in zip(history, heights, strict=True)
        if above < below
    )


def linear(top: float) -> Scale:
    """Return the scale from 0, at the bottom, to `top`."""
    return lambda value: HEIGHT * (1 - min(value, top) / top)


def logarithmic(seconds: float) -> float:
    """Return the height of a time, an equal part of it for each power of ten; what is beyond its ends, at the end."""
    decades = log10(max(seconds, SHORTEST_SECONDS) / SHORTEST_SECONDS)
    return HEIGHT * (1 - min(decades, DECADES) / DECADES)


def rounded_up(number: float) -> int:
    """Return the next even number, 2 at least, that is easily read beside an axis."""
    whole = max(1, ceil(number))
    step: int = 2 * 10 ** max(0, len(str(whole)) - 2)
    return ceil(whole / step) * step


def _use(history: Sequence[Point]) -> Chart:
    top = rounded_up(max(_highest(history, "size"), _highest(history, "pending")))
    scale = linear(top)
    in_use = steps(history, lambda sample: sample["in_use"], scale)
    lines = [
        Line("in-use", "in use, at most", area_path(in_use), "area"),
        Line("in-use", "", line_path(in_use), "edge"),
        _line("mean", "in use, mean", history, lambda sample: sample["mean_in_use"], scale),
        _line("idle", "idle", history, lambda sample: sample["idle"], scale),
        _line("size", "size", history, lambda sample: sample["size"], scale),
        _line("pending", "pending", history, lambda sample: sample["pending"] or None, scale),
    ]
    highest = {name: _highest(history, name) for name in ("size", "in_use", "idle", "pending")}
    summary = (
        f"At most {highest['in_use']} of {highest['size']} connections were in use, {highest['idle']} idle, "
        f"and {highest['pending']} threads pending."
    )
    return _chart("Connections", summary, [f"{top}", f"{top // 2}", "0"], history, lines)


def _times(history: Sequence[Point]) -> Chart:
    lines = [
        _line(f"{name}-{kind}", f"{name}, {words}", history, _seconds(f"{name}_time", f"{kind}_seconds"), logarithmic)
        for name in ("use", "wait")
        for kind, words in (("p99", "99 %"), ("mean", "mean"))
    ]
    wait, use = _longest(history, "wait_time"), _longest(history, "use_time")
    summary = f"In the slowest five seconds 99 % took: to wait {wait}, to be used {use}."
    ticks = [wording.duration(SHORTEST_SECONDS * 10**power) for power in reversed(range(DECADES + 1))]
    return _chart("Wait and use", summary, ticks, history, lines)


def _changes(history: Sequence[Point]) -> Chart:
    opened = [sample["opened"] for sample in history]
    closed = [sum(sample["closed"].values()) for sample in history]
    top = rounded_up(max([0, *opened, *closed]))
    to_half, middle = linear(2 * top), HEIGHT / 2
    up = [(to_half(count) - middle, middle) for count in opened]
    down = [(middle, HEIGHT + middle - to_half(count)) for count in closed]
    lines = [
        Line("opened", "opened, upwards", bars_path(history, up), "bar"),
        Line("closed", "closed, downwards", bars_path(history, down), "bar"),
    ]
    summary = f"{sum(opened)} connections were opened and {sum(closed)} closed."
    return _chart("Opened and closed", summary, [f"{top}", "0", f"{top}"], history, lines)


def _trouble(history: Sequence[Point]) -> Chart:
    failed = [sample["rejected"] + sample["timeouts"] + sample["unavailable"] for sample in history]
    retried = [sample["retried"] for sample in history]
    both = list(map(sum, zip(failed, retried, strict=True)))
    top = rounded_up(max([0, *both]))
    scale = linear(top)
    first = [(scale(lost), float(HEIGHT)) for lost in failed]
    then = [(scale(sum_of_both), scale(lost)) for sum_of_both, lost in zip(both, failed, strict=True)]
    lines = [
        Line("rejected", "without a connection", bars_path(history, first), "bar"),
        Line("retried", "retried", bars_path(history, then), "bar"),
    ]
    summary = f"{sum(failed)} requests got no connection in time, {sum(retried)} were done again."
    return _chart("Refused and retried", summary, [f"{top}", f"{top // 2}", "0"], history, lines)


def _chart(title: str, summary: str, ticks: Sequence[str], history: Sequence[Point], lines: Sequence[Line]) -> Chart:
    """Return the chart, with the breaker behind it and a key to all that is in it."""
    behind = bands(history)
    keys = [(line.kind, line.name) for line in lines if line.name]
    for state in dict.fromkeys(band.kind for band in behind):
        seconds = sum(band.width for band in behind if band.kind == state)
        named = f"{state.replace('-', ' ')} ({wording.duration(seconds)})"
        keys, summary = [*keys, (state, named)], f"{summary} Behind it: {named}."
    return Chart(title, summary, ticks, lines, behind, keys)


def _line(kind: str, name: str, history: Sequence[Point], value: Value, scale: Scale) -> Line:
    return Line(kind, name, line_path(steps(history, value, scale)))


def _seconds(name: str, kind: str) -> Value:
    def read(sample: Point) -> float | None:
        found = sample[name][kind]
        return None if found is None else float(found)

    return read


def _longest(history: Iterable[Point], name: str) -> str:
    found = [float(bound) for sample in history if (bound := sample[name]["p99_seconds"]) is not None]
    return wording.bound(max(found)) if found else "not measured"


def _highest(history: Iterable[Point], name: str) -> int:
    return max((int(sample[name]) for sample in history), default=0)


def _start(sample: Point) -> float:
    return float(_end(sample) - SAMPLE_SECONDS)


def _end(sample: Point) -> float:
    return float(WIDTH - sample["seconds_ago"])


def _along(run: Sequence[Step]) -> str:
    """Return the way over the steps; equal neighbours are one."""
    way = ""
    for (_, end, height), following in zip(run, [*run[1:], None], strict=True):
        if following is None or f"{following[2]:.4g}" != f"{height:.4g}":
            way += f"H{end:g}" + ("" if following is None else f"V{following[2]:.4g}")
    return way
