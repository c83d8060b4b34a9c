"""The matrix as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.incidents import INCIDENTS
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.remarks import LEGEND, REMARKS
from benchmarks.faults.rule import RULE, Colour, colour_of, shortcomings
from benchmarks.publishing import circumstances, in_words, table
from benchmarks.stacks import STACKS
from testkit import ROOT

Matrix = dict[str, dict[str, Outcome]]
"""Incident -> stack -> figures."""

DOCS, PARTS = ROOT / "docs", ROOT / "benchmarks" / "results" / "partial"
"""Where the whole matrix goes, and where a part of it."""
NAME = "fault-matrix.md"
MARKS: dict[Colour, str] = {"green": "🟢", "yellow": "🟡", "red": "🔴"}
COLUMNS = (
    "requests",
    "failed, database up",
    "failed in the first second after",
    "failed, database down",
    "wrong",
    "worst latency",
    "first 200",
    "connections opened",
    "stuck",
)


def write(matrix: Matrix, *, minutes: float, into: Path) -> str:
    """Write the document; return its name."""
    where = circumstances("DBUtils", "fastapi", "uvicorn", "asyncmy") | {"minutes": round(minutes, 1)}
    into.mkdir(parents=True, exist_ok=True)
    file = into / NAME
    file.write_text(markdown(matrix, where), encoding="utf-8")
    return str(file.relative_to(ROOT))


def cell(outcome: Outcome) -> str:
    """Return what a cell of the overview says: what keeps it from being green, or how long the slowest took."""
    lacks = shortcomings(outcome)
    return ", ".join(lacks) if lacks else f"worst {outcome.worst_seconds:.1f} s"


def markdown(matrix: Matrix, where: dict[str, Any]) -> str:
    """Return the document."""
    parts = [
        "# The fault matrix",
        LEGEND,
        "\n".join(f"- {MARKS[colour]} **{colour}**: {meaning}." for colour, meaning in RULE.items()),
        f"{in_words(where)} MariaDB on the same machine; it took {where['minutes']} minutes.",
        "## Overview",
        _overview(matrix),
        *(_explanations(matrix)),
        "## Every figure",
        *(_details(key, row) for key, row in matrix.items()),
    ]
    return "\n\n".join(parts) + "\n"


def titled(key: str) -> str:
    """Return an incident's key as words."""
    return key.replace("-", " ")


def stacks_of(matrix: Matrix) -> list[str]:
    """Return the titles of the columns."""
    return [_plain(key) for key in next(iter(matrix.values()))]


def _overview(matrix: Matrix) -> str:
    rows = [
        [f"[{titled(key)}](#{key})", *(f"{MARKS[colour_of(outcome)]} {cell(outcome)}" for outcome in row.values())]
        for key, row in matrix.items()
    ]
    colours = [[_colours(row)[place] for row in matrix.values()] for place in range(len(stacks_of(matrix)))]
    counted = [" ".join(f"{MARKS[name]} {column.count(name)}" for name in RULE) for column in colours]
    head = ["what happens", *stacks_of(matrix)]
    return table(head, [*rows, ["**all**", *counted]], texts=len(head))


def _explanations(matrix: Matrix) -> Sequence[str]:
    ours = {key: row["ours"] for key, row in matrix.items() if "ours" in row}
    told = [
        f"- **{titled(key)}** ({cell(outcome)}): {REMARKS.get(key, 'not explained yet')}"
        for key, outcome in ours.items()
        if colour_of(outcome) != "green"
    ]
    return ["## Where this application is not green", "\n".join(told)] if told else []


def _details(key: str, row: dict[str, Outcome]) -> str:
    rows = [[f"{MARKS[colour_of(outcome)]} {_plain(stack)}", *_figures(outcome)] for stack, outcome in row.items()]
    return f"### {titled(key)}\n\n{INCIDENTS[key].story}\n\n{table(['', *COLUMNS], rows)}"


def _figures(outcome: Outcome) -> list[str]:
    back = outcome.first_good_seconds
    numbers = (outcome.asked, outcome.failed_up, outcome.failed_after, outcome.failed_down, outcome.wrong)
    cut = f" (and {outcome.writes_cut} writes that were cut)" if outcome.writes_cut else ""
    return [
        *(f"{number:,}{cut if place == 1 else ''}" for place, number in enumerate(numbers)),
        f"{outcome.worst_seconds:.2f} s",
        "never" if back is None else f"{back:.2f} s",
        f"{outcome.reconnects}",
        f"{outcome.stuck}",
    ]


def _colours(row: dict[str, Outcome]) -> list[Colour]:
    return [colour_of(outcome) for outcome in row.values()]


def _plain(stack: str) -> str:
    return STACKS[stack].title.replace("*", "").replace("`", "")
