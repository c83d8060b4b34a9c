"""The tables of the report, as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.bench.figures import Figure, figures
from benchmarks.bench.plan import DELAY, HEADLINE, PLAIN, TLS, TWO_WORKERS
from benchmarks.bench.summary import Summary
from benchmarks.publishing import table

NOT_MEASURED = "–"


def number(value: float | None, digits: int = 0, unit: str = "") -> str:
    """Return a number as it stands in a table."""
    return NOT_MEASURED if value is None else f"{value:,.{digits}f}{unit}"


def headline(summary: Summary) -> str:
    """Return the main table: one worker, as many clients as threads."""
    columns: dict[str, Callable[[str], str]] = {
        "requests/s": lambda stack: _with_spread(summary, stack),
        "added us": lambda stack: number(summary.added_us(stack)),
        "x PersistentDB": lambda stack: number(summary.ratio(stack, "persistent-db"), 2),
        "p50 ms": lambda stack: number(summary.median(stack, "p50_ms"), 1),
        "p99 ms": lambda stack: number(summary.median(stack, "p99_ms"), 1),
        "commands": lambda stack: number(summary.commands(stack), 2),
        "connections": lambda stack: number(summary.connections(stack), 1),
        "web CPU s": lambda stack: number(summary.median(stack, "web_cpu_ms"), 2),
        "database CPU s": lambda stack: number(summary.median(stack, "database_cpu_ms"), 2),
        "switches": lambda stack: number(summary.median(stack, "switches") or None, 1),
        "memory MB": lambda stack: number(summary.median(stack, "memory_mb")),
        "idle ratio": lambda stack: _percent(summary.idle_ratio(stack)),
        "errors": lambda stack: summary.left_out(stack) or summary.errors(stack, HEADLINE, PLAIN.key) or "none",
    }
    return _of_stacks(summary, columns)


def by_clients(summary: Summary) -> str:
    """Return requests/s and p50 for each number of clients."""
    columns: dict[str, Callable[[str], str]] = {
        f"{clients} client{'s' * (clients > 1)}": partial(_speed, summary, clients=clients) for clients in PLAIN.clients
    }
    return _of_stacks(summary, columns)


def elsewhere(summary: Summary) -> str:
    """Return what happens with two workers, with TLS and with a delay."""
    columns: dict[str, Callable[[str], str]] = {
        f"two workers, {HEADLINE} clients": lambda stack: _speed(summary, stack, HEADLINE, TWO_WORKERS.key),
        f"TLS, {HEADLINE} clients": lambda stack: _speed(summary, stack, HEADLINE, TLS.key),
        "1 ms each way, 1 client": lambda stack: _speed(summary, stack, 1, DELAY.key),
    }
    return _of_stacks(summary, columns)


def to_reach(summary: Summary) -> str:
    """Return the figures to reach, and whether they were."""
    return table(
        ["figure", "target", "measured", ""],
        [[each.name, each.target, _with_interval(each), each.verdict()] for each in figures(summary)],
    )


def _with_interval(figure: Figure) -> str:
    value, values = number(figure.value, 2, figure.unit), figure.values
    return f"{value} ({min(values):.2f}–{max(values):.2f})" if len(values) > 1 else value


def _of_stacks(summary: Summary, columns: dict[str, Callable[[str], str]]) -> str:
    rows = [[title, *(show(stack) for show in columns.values())] for stack, title in summary.stacks().items()]
    return table(["", *columns], rows)


def _with_spread(summary: Summary, stack: str) -> str:
    values = summary.values(stack, "per_second")
    middle = number(summary.per_second(stack))
    return f"{middle} ({min(values):,.0f}–{max(values):,.0f})" if len(values) > 1 else middle


def _speed(summary: Summary, stack: str, clients: int, condition: str = PLAIN.key) -> str:
    if reason := summary.left_out(stack, condition):
        return f"n/a: {reason}"
    speed, p50 = summary.per_second(stack, clients, condition), summary.median(stack, "p50_ms", clients, condition)
    errs = summary.errors(stack, clients, condition)
    return f"{number(speed)} · {number(p50, 2)} ms" + (f" · {errs}" if errs else "") if speed else errs or NOT_MEASURED


def _percent(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.0%}"
