"""A matrix as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmarks.faults.incidents import INCIDENTS, Incident
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.remarks import LEGEND, REMARKS
from benchmarks.faults.rule import RULE, Colour, colour_of, shortcomings
from benchmarks.publishing import circumstances, in_words, publish, table
from benchmarks.stacks import STACKS
from testkit import ROOT

T = TypeVar("T")

Matrix = Mapping[str, Mapping[str, T]]
"""Incident -> stack -> figures."""

DOCUMENT, PARTS = ROOT / "docs" / "fault-matrix.md", ROOT / "benchmarks" / "results" / "partial"
"""Where the whole matrix goes, and where a part of it."""
MARKS: dict[Colour, str] = {"green": "🟢", "yellow": "🟡", "red": "🔴"}


@dataclass(frozen=True)
class Form(Generic[T]):
    """One kind of matrix: what may happen in it, how a cell is judged, and what the document says in words."""

    key: str
    """Its place in the document."""
    incidents: Mapping[str, Incident]
    legend: str
    rule: Mapping[Colour, str]
    colour_of: Callable[[T], Colour]
    cell: Callable[[T], str]
    """What the overview says: what keeps it from being green, or how long the slowest took."""
    remarks: Mapping[str, str]
    """Why this application is not green, by incident."""
    columns: Sequence[str]
    figures: Callable[[T], Sequence[str]]


def write(form: Form[T], matrix: Matrix[T], *, minutes: float, is_whole: bool) -> str:
    """Write it into the document, or a part of it into a file of its own; return the file's name."""
    where = circumstances("DBUtils", "fastapi", "uvicorn", "asyncmy")
    text = markdown(form, matrix, minutes)
    if is_whole:
        publish(form.key, text, where, DOCUMENT)
        return str(DOCUMENT.relative_to(ROOT))
    PARTS.mkdir(parents=True, exist_ok=True)
    file = PARTS / f"fault-matrix-{form.key}.md"
    file.write_text(f"{text}\n\n{in_words(where)}\n", encoding="utf-8")
    return str(file.relative_to(ROOT))


def markdown(form: Form[T], matrix: Matrix[T], minutes: float) -> str:
    """Return its part of the document."""
    parts = [
        form.legend,
        "\n".join(f"- {MARKS[colour]} **{colour}**: {meaning}." for colour, meaning in form.rule.items()),
        _overview(form, matrix),
        *_explanations(form, matrix),
        "### Every figure",
        *(_details(form, key, row) for key, row in matrix.items()),
        f"MariaDB on the same machine; it took {minutes:.1f} minutes.",
    ]
    return "\n\n".join(parts)


def titled(key: str) -> str:
    """Return an incident's key as words."""
    return key.replace("-", " ")


def _overview(form: Form[T], matrix: Matrix[T]) -> str:
    stacks = list(next(iter(matrix.values())))
    rows = [
        [
            f"[{titled(key)}](#{key})",
            *(f"{MARKS[form.colour_of(outcome)]} {form.cell(outcome)}" for outcome in row.values()),
        ]
        for key, row in matrix.items()
    ]
    colours = [[form.colour_of(row[stack]) for row in matrix.values()] for stack in stacks]
    counted = [" ".join(f"{MARKS[name]} {column.count(name)}" for name in form.rule) for column in colours]
    head = ["what happens", *map(_plain, stacks)]
    return table(head, [*rows, ["**all**", *counted]], texts=len(head))


def _explanations(form: Form[T], matrix: Matrix[T]) -> Sequence[str]:
    ours = {key: row["ours"] for key, row in matrix.items() if "ours" in row}
    told = [
        f"- **{titled(key)}** ({form.cell(outcome)}): {form.remarks.get(key, 'not explained yet')}"
        for key, outcome in ours.items()
        if form.colour_of(outcome) != "green"
    ]
    return ["### Where this application is not green", "\n".join(told)] if told else []


def _details(form: Form[T], key: str, row: Mapping[str, T]) -> str:
    rows = [
        [f"{MARKS[form.colour_of(outcome)]} {_plain(stack)}", *form.figures(outcome)] for stack, outcome in row.items()
    ]
    return f"#### {titled(key)}\n\n{form.incidents[key].story}\n\n{table(['', *form.columns], rows)}"


def _plain(stack: str) -> str:
    return STACKS[stack].title.replace("*", "").replace("`", "")


def in_a_cell(lacks: Sequence[str], worst_seconds: float) -> str:
    """Return what keeps a cell from being green, or how long the slowest took."""
    return ", ".join(lacks) if lacks else f"worst {worst_seconds:.1f} s"


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


SERVER = Form(
    key="server",
    incidents=INCIDENTS,
    legend=LEGEND,
    rule=RULE,
    colour_of=colour_of,
    cell=lambda outcome: in_a_cell(shortcomings(outcome), outcome.worst_seconds),
    remarks=REMARKS,
    columns=(
        "requests",
        "failed, database up",
        "failed in the first second after",
        "failed, database down",
        "wrong",
        "worst latency",
        "first 200",
        "connections opened",
        "stuck",
    ),
    figures=_figures,
)
