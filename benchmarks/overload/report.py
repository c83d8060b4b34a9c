"""The report of a run: a table for each scenario, the figures to reach, and the picture; and where they go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from benchmarks import publishing
from benchmarks.bench.tables import number
from benchmarks.overload import picture
from benchmarks.overload.figures import Figure, figures
from benchmarks.overload.outcome import BIN_SECONDS, Outcome, Percentiles
from benchmarks.overload.picture import titled
from benchmarks.overload.plan import CLIENTS, SCENARIOS
from benchmarks.overload.subjects import SUBJECTS
from benchmarks.overload.trial import Outcomes
from benchmarks.publishing import in_words, table
from testkit import ROOT

NAME = "overload"
IMAGE = ROOT / "docs" / "images" / f"{NAME}.svg"
SHOWN = f"![Right answers over time, in what was possible, for each stack and scenario](../docs/images/{NAME}.svg)"

HEAD = [
    "",
    "right answers/s",
    "in what is possible",
    "from the first line: p50 · p99 ms",
    "at the client: p50 · p99 ms",
    "rejected inside · before",
    "the same, from the first line: p99 ms",
    "at the client: p99 ms",
    "gave up",
    "probes missed",
    "normal after",
]


@dataclass
class Results:
    """What was measured so far."""

    outcomes: dict[str, Outcomes] = field(default_factory=dict)
    """By stack."""
    behind: dict[str, dict[str, float]] = field(default_factory=dict)
    """What 16 clients got a second from behind the proxy, by stack: `usual` and `slow`."""
    round_trips_ms: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    """Stacks that could not be measured, and why."""

    @property
    def is_whole(self) -> bool:
        """Tell whether every stack went through everything."""
        return set(self.outcomes) == set(SUBJECTS)


def write(results: Results, folder: Path, where: dict[str, Any]) -> Path:
    """Write overload.json, .svg and .md into a folder; return the last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.json").write_text(json.dumps(asdict(results) | {"circumstances": where}) + "\n", "utf-8")
    (folder / f"{NAME}.svg").write_text(picture.draw(results.outcomes), "utf-8")
    file = folder / f"{NAME}.md"
    file.write_text(f"{tables(results)}\n\n{in_words(where)}\n", "utf-8")
    return file


def publish(
    results: Results, where: dict[str, Any], document: Path = publishing.FOLDER / "README.md", image: Path = IMAGE
) -> None:
    """Put the tables between the markers of the document, and the picture beside those of the others."""
    image.write_text(picture.draw(results.outcomes), "utf-8")
    publishing.publish(NAME, f"{SHOWN}\n\n{tables(results)}", where, document)


def tables(results: Results) -> str:
    """Return the figures to reach, and a table for each scenario."""
    reached = [[each.name, each.target, _value(each), each.verdict()] for each in figures(results.outcomes)]
    parts = [table(["this application", "target", "measured", ""], reached)]
    for key, title in SCENARIOS.items():
        parts += [f"**{titled(title)}**", _of_scenario(results.outcomes, key)]
    return "\n\n".join([*parts, _in_sentences(results)])


def _value(figure: Figure) -> str:
    return "never" if figure.value == inf else number(figure.value, 2, figure.unit)


def _of_scenario(outcomes: Mapping[str, Outcomes], key: str) -> str:
    rows = [[SUBJECTS[stack].stack.title, *_row(its[key])] for stack, its in outcomes.items() if key in its]
    return table(HEAD, rows)


def _row(outcome: Outcome) -> list[str]:
    counts = outcome.counts
    others = [f"{counts[kind]:,} {kind}" for kind in ("failed", "lost", "wrong") if counts[kind]]
    watched = "–" if not outcome.series else f"over {len(outcome.series) * BIN_SECONDS - outcome.span[1]:g} s"
    return [
        number(outcome.goodput),
        f"{outcome.share:.0%}",
        _both(outcome.inside),
        _both(outcome.client),
        f"{counts['rejected']:,} · {counts['rejected before']:,}",
        _ms(outcome.rejected_inside.p99),
        _ms(outcome.rejected_client.p99),
        ", ".join([f"{counts['gave up']:,}", *others]),
        _missed(outcome),
        watched if outcome.normal_after is None else f"{outcome.normal_after:.1f} s",
    ]


def _missed(outcome: Outcome) -> str:
    of_each = [f"`{path}` {missed}" for path, (_, missed) in outcome.probes.items() if missed]
    total = f"{outcome.missed} of {sum(asked for asked, _ in outcome.probes.values())}"
    return f"{total}: {', '.join(of_each)}" if len(outcome.probes) > 1 and of_each else total


def _in_sentences(results: Results) -> str:
    every = [outcome for outcomes in results.outcomes.values() for outcome in outcomes.values()]
    busiest = max((outcome.generator_cpu for outcome in every), default=0.0)
    missing = [f"{SUBJECTS[key].title} is missing: {why.splitlines()[0]}." for key, why in results.absent.items()]
    return " ".join(
        [*_of_the_proxy(results), f"The process that sends took at most {busiest:.0%} of a core.", *missing]
    )


def _of_the_proxy(results: Results) -> list[str]:
    trips = results.round_trips_ms
    rates = [f"{SUBJECTS[key].title} {its['usual']:,.0f} and {its['slow']:,.0f}" for key, its in results.behind.items()]
    if not rates:
        return []
    return [
        f"Behind the proxy a round trip to the database took {trips['usual']:.1f} ms, and while it was slow",
        f"{trips['slow']:.1f} ms; right answers a second for {CLIENTS} clients then: {', '.join(rates)}.",
    ]


def _both(times: Percentiles) -> str:
    return f"{_ms(times.p50)} · {_ms(times.p99)}"


def _ms(seconds: float | None) -> str:
    return number(None if seconds is None else 1000 * seconds, 1 if (seconds or 0.0) < 0.1 else 0)
