"""The tables of the servers, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.publishing import table
from benchmarks.servers.losses import Loss
from benchmarks.servers.rows import APPS, SERVERS
from benchmarks.servers.speed import Speed

FIRST = "gunicorn"
EVENTS = ("reload", "recycling", "stop")


@dataclass
class Results:
    """What is known so far: rounds by server and application, losses by server and event, and who is not there."""

    speeds: dict[tuple[str, str], list[Speed]] = field(default_factory=dict)
    losses: dict[tuple[str, str], Loss] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def report(results: Results) -> str:
    """Return all of it."""
    parts = [_speeds(results, app) for app in APPS] + [_losses(results)]
    parts += [f"- {SERVERS[key].title}: left out, {why.splitlines()[0]}" for key, why in results.absent.items()]
    return "\n\n".join(parts)


def _speeds(results: Results, app: str) -> str:
    title = {"ours": "**this application**", "floor": "no database (the floor)"}[app]
    head = [title, "requests/s", "x Gunicorn", "CPU us a request", "switches a request", "errors"]
    first = results.speeds.get((FIRST, app), [])
    rows = [
        [SERVERS[key].title, *_speed(rounds, first)]
        for (key, of), rounds in results.speeds.items()
        if of == app and rounds
    ]
    return table(head, rows)


def _speed(rounds: Sequence[Speed], first: Sequence[Speed]) -> list[str]:
    speeds = [each.per_second for each in rounds]
    ratios = [
        each.per_second / other.per_second for each, other in zip(rounds, first, strict=False) if other.per_second
    ]
    return [
        _with_interval(speeds, ",.0f"),
        _with_interval(ratios, ".2f") if ratios else "–",
        f"{median(each.cpu_us for each in rounds):,.0f}",
        f"{median(each.switches for each in rounds):.1f}",
        f"{sum(each.errors for each in rounds) or 'none'}",
    ]


def _with_interval(values: Sequence[float], digits: str) -> str:
    return f"{median(values):{digits}} ({min(values):{digits}}–{max(values):{digits}})"


def _losses(results: Results) -> str:
    keys = [key for key, server in SERVERS.items() if server.is_watched and (key, "ours") in results.speeds]
    rows = [[SERVERS[key].title, *_row(results.losses, key)] for key in keys]
    return table(["**this application**: requests that failed at", *EVENTS], rows)


def _row(losses: Mapping[tuple[str, str], Loss], key: str) -> list[str]:
    found = [losses.get((key, event)) for event in EVENTS]
    return ["not known there" if each is None else _said(each) for each in found]


def _said(loss: Loss) -> str:
    times = f" in {loss.events} times" if loss.events > 1 else ""
    return f"{loss.failed or 'none'} of {loss.asked:,}{times}" + (f"; {loss.remark}" if loss.remark else "")
