"""The plots of the report, as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

from benchmarks.bench.plan import PLAIN
from benchmarks.bench.summary import Summary

OURS, THEIRS, LIMIT = "#1b6ca8", "#9aa5b1", "#d8dee4"
LIMITS = ("floor", "raw")
"""No application, but what one can be measured by."""
# Fonts as text and no random ids: the same numbers give the same file.
STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9, "axes.spines.top": False}
STYLE |= {"axes.spines.right": False, "figure.constrained_layout.use": True}


def draw(summary: Summary, folder: Path) -> None:
    """Write all plots for which there are numbers."""
    with plt.rc_context(STYLE):
        _requests(summary, folder)
        if has_several(summary):
            _clients(summary, folder)
        if growth := summary.results.get("growth"):
            _memory(growth, folder)
        if scaled := summary.results.get("scale"):
            _scale(scaled, folder)


def _requests(summary: Summary, folder: Path) -> None:
    stacks = [stack for stack in summary.stacks() if summary.per_second(stack)]
    figure, axes = plt.subplots(figsize=(8, 0.35 * len(stacks) + 1))
    bars = axes.barh([_name(summary, stack) for stack in stacks], [summary.per_second(stack) or 0 for stack in stacks])
    for stack, bar in zip(stacks, bars, strict=True):
        bar.set_color(_color(stack))
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.invert_yaxis()
    axes.set_title("Requests/s: one worker, 16 threads, 16 clients", loc="left")
    _save(figure, folder / "bench-requests.svg")


def _clients(summary: Summary, folder: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 4))
    shades: Any = mpl.colormaps["tab20"]
    axes.set_prop_cycle(color=shades.colors)
    for stack in summary.stacks():
        if known := _speeds(summary, stack):
            own = {"linewidth": 2.5, "color": OURS, "zorder": 3} if stack == "ours" else {"linewidth": 1}
            style = "--" if stack in LIMITS else "-"
            axes.plot(*zip(*known, strict=True), linestyle=style, marker=".", label=_name(summary, stack), **own)
    axes.set_xscale("log", base=2)
    axes.set_xticks(PLAIN.clients, [str(clients) for clients in PLAIN.clients])
    axes.set(xlabel="clients", ylabel="requests/s", ylim=(0, None))
    figure.legend(loc="outside right upper", fontsize=7)
    _save(figure, folder / "bench-clients.svg")


def has_several(summary: Summary) -> bool:
    """Tell whether more than one number of clients was measured."""
    return any(len(_speeds(summary, stack)) > 1 for stack in summary.stacks())


def _speeds(summary: Summary, stack: str) -> list[tuple[int, float]]:
    return [(clients, speed) for clients in PLAIN.clients if (speed := summary.per_second(stack, clients))]


def _memory(growth: dict[str, Any], folder: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 2.5))
    axes.plot(*zip(*growth["points"], strict=True), color=OURS)
    axes.set(xlabel="requests", ylabel="MB", ylim=(0, None))
    axes.set_title("Resident memory of this application's worker", loc="left")
    _save(figure, folder / "bench-memory.svg")


def _scale(scaled: dict[str, Any], folder: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 3))
    sizes = [each["cities"] for each in scaled["sizes"]]
    for name in ("lookup_p50_ms", "lookup_p99_ms", "prefix_p50_ms", "prefix_p99_ms"):
        axes.plot(sizes, [each[name] for each in scaled["sizes"]], marker="o", label=name.replace("_", " "))
    axes.set_xscale("log")
    axes.set(xlabel="cities", ylabel="ms", ylim=(0, None))
    axes.legend()
    _save(figure, folder / "bench-scale.svg")


def _name(summary: Summary, stack: str) -> str:
    return summary.stacks()[stack].replace("*", "").replace("`", "")


def _color(stack: str) -> str:
    if stack.startswith("ours"):
        return OURS
    return LIMIT if stack in LIMITS else THEIRS


def _save(figure: Any, file: Path) -> None:
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
