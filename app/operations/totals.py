"""Numbers of pools, nested by name, and what can be made of them: sums, differences, percentiles.

`of` makes them from a pool's `snapshot()`. All can be added up over workers: the breaker's state is a count for each
state, and the bounds of buckets are strings, as they are when they come back from a file.
"""

import json
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from typing import Any, get_args

from steadypool import State

Totals = dict[str, Any]

GAUGES = ("size", "idle_max", "in_use", "idle", "pending", "breaker")
STATES: tuple[State, ...] = get_args(State)
"""Of the breaker, the better first."""


def of(snapshot: Mapping[str, Any]) -> Totals:
    """Return a pool's snapshot as numbers that can be added up."""
    kept = {name: value for name, value in snapshot.items() if name != "idle_ratio"}
    made: Totals = json.loads(
        json.dumps(kept | {"breaker": {state: int(state == kept["breaker"]) for state in STATES}})
    )
    return made


def without_gauges(pools: Mapping[str, Totals]) -> dict[str, Totals]:
    """Return of each pool what goes on counting when the worker has ended."""
    return {name: {key: kept for key, kept in pool.items() if key not in GAUGES} for name, pool in pools.items()}


def added(all_totals: Iterable[Totals]) -> Totals:
    """Return the sums."""
    return reduce(partial(_combined, operator.add), all_totals, {})


def highest(all_totals: Iterable[Totals]) -> Totals:
    """Return the highest of each number."""
    return reduce(partial(_combined, max), all_totals, {})


def difference(later: Totals, earlier: Totals) -> Totals:
    """Return by how much each number has grown; one that has fallen has not grown."""
    return _combined(lambda now, then: max(0, now - then), later, earlier)


def percentile(histogram: Totals, share: float) -> float | str | None:
    """Return the bound in seconds that this share did not exceed, "inf" above the last; None if nothing was counted."""
    if not histogram.get("count"):
        return None
    reached = (float(bound) for bound, count in histogram["buckets"].items() if count >= share * histogram["count"])
    return next(reached, "inf")  # a string, because JSON has no infinity


def _combined(combine: Callable[[Any, Any], Any], one: Totals, other: Totals) -> Totals:
    return {name: _pair(combine, one.get(name), other.get(name)) for name in one | other}


def _pair(combine: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    if isinstance(one, dict) or isinstance(other, dict):
        return _combined(combine, one or {}, other or {})
    return combine(one or 0, other or 0)
