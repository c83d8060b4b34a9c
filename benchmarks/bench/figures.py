"""Figures to reach: each with its target, what this run measured, and whether that is enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bench.summary import Summary

LARGEST_ADDED, LARGEST_DELAYED = 1.10, 1.25
LARGEST_MEMORY_MB, LARGEST_GROWTH_MB = 90, 5


@dataclass(frozen=True)
class Figure:
    """One figure; without a target it is only shown, and without a value it was not measured."""

    name: str
    target: str
    value: float | None
    is_enough: Callable[[float], bool] | None
    unit: str = ""

    def verdict(self) -> str:
        """Return a word: whether it was reached."""
        if self.value is None:
            return "not measured"
        if self.is_enough is None:
            return "no target"
        return "reached" if self.is_enough(self.value) else "**not reached**"


def figures(summary: Summary) -> list[Figure]:
    """Return all of them, from one run."""
    return [*_on_one_worker(summary), _delayed(summary), *_memory(summary)]


def _on_one_worker(summary: Summary) -> list[Figure]:
    added, raw = summary.added_us("ours"), summary.added_us("raw")
    over_raw = added / raw if added and raw and raw > 0 else None
    best = max(("ours", "ours-mysqlclient"), key=lambda stack: summary.per_second(stack) or 0)
    return [
        _exactly("database commands per read", 1.00, summary.commands("ours")),
        _at_most("added microseconds over the floor, in those of the raw limit", LARGEST_ADDED, over_raw, " x"),
        _at_least("requests/s, in PersistentDB's", 1.10, summary.ratio("ours", "persistent-db"), " x"),
        _at_least("requests/s, in stock Flask-SQLAlchemy's", 2.0, summary.ratio("ours", "flask-sqlalchemy"), " x"),
        _at_least("requests/s, in those of a connection per request", 20, summary.ratio("ours", "per-request"), " x"),
        _at_least(
            "as shipped, requests/s in PersistentDB's", 1.00, summary.ratio("ours-as-shipped", "persistent-db"), " x"
        ),
        _at_least("one client, requests/s in FastAPI's", 1.10, summary.ratio("ours", "fastapi-async", 1), " x"),
        _shown("16 clients, requests/s in FastAPI's", "as near as can be", summary.ratio("ours", "fastapi-async")),
        _shown(f"the same, the faster driver ({best})", "as near as can be", summary.ratio(best, "fastapi-async")),
    ]


def _delayed(summary: Summary) -> Figure:
    name = "1 ms delay, one client: p50, in one round trip + the floor's p50"
    delay, floor = summary.results.get("delay"), summary.median("floor", "p50_ms", 1, "delay")
    own = summary.median("ours", "p50_ms", 1, "delay")
    delayed = own / (delay["with_delay_ms"] + floor) if delay and floor and own else None
    return _at_most(name, LARGEST_DELAYED, delayed, " x")


def _memory(summary: Summary) -> list[Figure]:
    growth = summary.results.get("growth")
    grown = growth["after_mb"] - growth["before_mb"] if growth else None
    return [
        _at_most("memory of the web process", LARGEST_MEMORY_MB, summary.median("ours", "memory_mb"), " MB"),
        _at_most("its growth over 100,000 requests", LARGEST_GROWTH_MB, grown, " MB"),
    ]


def _at_most(name: str, limit: float, value: float | None, unit: str = "") -> Figure:
    return Figure(name, f"at most {limit:g}{unit}", value, lambda measured: measured <= limit, unit)


def _at_least(name: str, limit: float, value: float | None, unit: str = "") -> Figure:
    return Figure(name, f"at least {limit:g}{unit}", value, lambda measured: measured >= limit, unit)


def _exactly(name: str, wanted: float, value: float | None) -> Figure:
    return Figure(name, f"{wanted:.2f}", value, lambda measured: round(measured, 2) == wanted)


def _shown(name: str, target: str, value: float | None) -> Figure:
    return Figure(name, target, value, None, " x")
