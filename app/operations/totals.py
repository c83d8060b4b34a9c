"""Numbers of pools, nested by name, and what can be made of them: sums, differences, percentiles.

`of` makes them from a pool's `snapshot()`. All of them can be added up over workers, because the breaker's state is a
count for each state.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from typing import Any, get_args

from steadypool import State

Totals = dict[str, Any]

GAUGES = ("size", "in_use", "idle", "pending", "breaker")
STATES: tuple[State, ...] = get_args(State)
"""Of the breaker, the better first."""


def of(snapshot: Mapping[str, Any]) -> Totals:
    """Return a pool's snapshot as numbers that can be added up."""
    kept = {name: value for name, value in snapshot.items() if name != "idle_ratio"}
    return kept | {"breaker": {state: int(state == snapshot["breaker"]) for state in STATES}}


def without_gauges(totals: Totals) -> Totals:
    """Return what goes on counting when the worker has ended."""
    return {name: value for name, value in totals.items() if name not in GAUGES}


def added(all_totals: Iterable[Totals]) -> Totals:
    """Return the sums."""
    return reduce(partial(_combined, operator.add), all_totals, {})


def highest(one: Totals, other: Totals) -> Totals:
    """Return the higher of each two numbers."""
    return _combined(max, one, other)


def difference(later: Totals, earlier: Totals) -> Totals:
    """Return by how much each number has grown; one that has fallen has not grown."""
    return _combined(lambda now, then: max(0, now - then), later, earlier)


def percentile(histogram: Totals, share: float) -> float | None:
    """Return the upper bound in seconds that this share did not exceed; None if nothing was counted.

    Infinity where it took longer than the last bound.
    """
    if not histogram.get("count"):
        return None
    bounds = sorted((float(bound), count) for bound, count in histogram["buckets"].items())
    return next((bound for bound, count in bounds if count >= share * histogram["count"]), float("inf"))


def mean(histogram: Totals) -> float | None:
    """Return the average in seconds, None if nothing was counted."""
    return histogram["sum_seconds"] / histogram["count"] if histogram.get("count") else None


def idle_ratio(totals: Totals) -> float | None:
    """Return the share of the connections' time in which no statement was in flight, None without connections."""
    open_seconds = totals.get("connection_seconds", 0.0)
    return max(0.0, 1 - totals["busy_seconds"] / open_seconds) if open_seconds > 0 else None


def _combined(combine: Callable[[Any, Any], Any], one: Totals, other: Totals) -> Totals:
    names = [*one, *(name for name in other if name not in one)]
    return {name: _pair(combine, one.get(name), other.get(name)) for name in names}


def _pair(combine: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    if isinstance(one, dict) or isinstance(other, dict):
        return _combined(combine, one or {}, other or {})
    return combine(one or 0, other or 0)
