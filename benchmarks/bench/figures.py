"""Figures to reach: each with its target, what this run measured, and whether that is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.bench.plan import DELAY, TWO_WORKERS
from benchmarks.bench.summary import Summary

LARGEST_ADDED, LARGEST_DELAYED = 1.3, 1.1
LEAST_OF_PERSISTENT_DB, LEAST_AS_SHIPPED = 1.0, 0.92
LEAST_OF_FASTAPI_ALONE, LEAST_OF_FASTAPI = 1.3, 0.9
LEAST_FOREIGN, LEAST_SCALING = 0.95, 0.95
LARGEST_MEMORY_MB, LARGEST_GROWTH_MB = 90, 5


@dataclass(frozen=True)
class Figure:
    """One figure; `values` has what each lap gave, nothing where it was not measured."""

    name: str
    target: str
    values: Sequence[float]
    is_enough: Callable[[float], bool]
    unit: str = ""

    @property
    def value(self) -> float | None:
        """Return the median."""
        return median(self.values) if self.values else None

    def verdict(self) -> str:
        """Return a word: whether it was reached."""
        if self.value is None:
            return "not measured"
        return "reached" if self.is_enough(self.value) else "**not reached**"


def figures(summary: Summary) -> list[Figure]:
    """Return all of them, from one run."""
    return [*_on_one_worker(summary), *_elsewhere(summary), *_memory(summary)]


def _on_one_worker(summary: Summary) -> list[Figure]:
    commands, added = summary.commands("ours"), summary.added_ratios("ours", "raw")
    added_in_our_worker = summary.added_ratios("ours", "raw-our-worker", "floor-our-worker")
    return [
        Figure("database commands per read", "1.00", _list(commands), lambda measured: round(measured, 2) == 1),
        _at_most("added microseconds over the floor, in those of the raw limit", LARGEST_ADDED, added, " x"),
        _at_most("the same, all three in our worker", LARGEST_ADDED, added_in_our_worker, " x"),
        _at_least("requests/s, in PersistentDB's", LEAST_OF_PERSISTENT_DB, summary.ratios("ours", "persistent-db")),
        _at_least(
            "as shipped, requests/s in PersistentDB's",
            LEAST_AS_SHIPPED,
            summary.ratios("ours-as-shipped", "persistent-db"),
        ),
        _at_least(
            "one client, requests/s in FastAPI's", LEAST_OF_FASTAPI_ALONE, summary.ratios("ours", "fastapi-async", 1)
        ),
        _at_least("16 clients, requests/s in FastAPI's", LEAST_OF_FASTAPI, summary.ratios("ours", "fastapi-async")),
        _at_least("somebody else's tables, in our own", LEAST_FOREIGN, summary.ratios("ours-foreign", "ours")),
    ]


def _elsewhere(summary: Summary) -> list[Figure]:
    delayed = summary.ratios("ours", "raw", 1, DELAY.key, "p50_ms")
    one, two = summary.ratio("ours", "floor"), summary.ratios("ours", "floor", condition=TWO_WORKERS.key)
    scaling = [each / one for each in two] if one else []
    return [
        _at_most("1 ms each way, one client: p50, in the raw limit's", LARGEST_DELAYED, delayed, " x"),
        _at_least("two workers: times as fast as one, in the floor's", LEAST_SCALING, scaling),
    ]


def _memory(summary: Summary) -> list[Figure]:
    growth = summary.results.get("growth")
    grown = _list(growth["after_mb"] - growth["before_mb"] if growth else None)
    return [
        _at_most("memory of the web process", LARGEST_MEMORY_MB, summary.values("ours", "memory_mb"), " MB"),
        _at_most("its growth over 100,000 requests", LARGEST_GROWTH_MB, grown, " MB"),
    ]


def _list(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _at_most(name: str, limit: float, values: Sequence[float], unit: str) -> Figure:
    return Figure(name, f"at most {limit:g}{unit}", values, lambda measured: measured <= limit, unit)


def _at_least(name: str, limit: float, values: Sequence[float]) -> Figure:
    return Figure(name, f"at least {limit:g} x", values, lambda measured: measured >= limit, " x")
