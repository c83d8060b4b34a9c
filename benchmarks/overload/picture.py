"""The picture of a run: for each overload what share of the possible each stack answered right, over time.

What is possible differs from stack to stack and from moment to moment; drawn as a share of it, it is one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from benchmarks.overload.outcome import BIN_SECONDS, Moment
from benchmarks.overload.plan import SCENARIOS
from benchmarks.overload.subjects import SUBJECTS
from benchmarks.overload.trial import Outcomes

WIDTH, LEFT, CHART_WIDTH, CHART_HEIGHT = 960, 64, 860, 150
TOP, BETWEEN = 112, 84
MOST = 1.25
"""The top of the axis; what is above, as when a queue is worked off, is drawn there."""

CAPTION = "Right answers of each half second, in what was possible then. Shaded: the overload."

STYLE = """\
  svg { background: #ffffff; }
  text { fill: #1c2733; font-size: 13px; }
  .name { font-weight: 600; font-size: 15px; }
  .small { fill: #4a5a6a; }
  .end { text-anchor: end; }
  .middle { text-anchor: middle; }
  .overload { fill: #f3efe6; }
  .grid { stroke: #c9d1d9; stroke-width: 1; }
  .possible { stroke: #4a5a6a; stroke-width: 1.5; stroke-dasharray: 7 5; }
  .line { fill: none; stroke-linejoin: round; stroke-linecap: round; }
  .ours { stroke: #0063b1; stroke-width: 3.5; }
  .flask-sqlalchemy { stroke: #c04a00; stroke-width: 2; }
  .fastapi-async { stroke: #00805c; stroke-width: 2.5; stroke-dasharray: 0.1 5; }
  @media (prefers-color-scheme: dark) {
    svg { background: #10161d; }
    text { fill: #e6edf3; }
    .small { fill: #aebbc7; }
    .overload { fill: #242019; }
    .grid { stroke: #36414d; }
    .possible { stroke: #aebbc7; }
    .ours { stroke: #6cb6ff; }
    .flask-sqlalchemy { stroke: #ffa657; }
    .fastapi-async { stroke: #4fd1a5; }
  }"""


def draw(results: Mapping[str, Outcomes]) -> str:
    """Return the picture, as SVG."""
    scenarios = [key for key in SCENARIOS if any(key in its and its[key].series for its in results.values())]
    height = TOP + len(scenarios) * (CHART_HEIGHT + BETWEEN)
    charts = [
        line
        for place, key in enumerate(scenarios)
        for line in _chart(TOP + place * (CHART_HEIGHT + BETWEEN), key, results)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'role="img" aria-labelledby="title what" font-family="system-ui, sans-serif">',
            '<title id="title">What is answered right under overload, in what is possible</title>',
            f'<desc id="what">{escape(" ".join(_told(key, results) for key in scenarios))}</desc>',
            f"<style>\n{STYLE}\n</style>",
            *_legend(results),
            f'<text class="small" x="{LEFT}" y="62">{CAPTION}</text>',
            *charts,
            "</svg>\n",
        ]
    )


def titled(text: str) -> str:
    """Return it with a capital at its beginning, and the others as they are."""
    return text[:1].upper() + text[1:]


def _told(key: str, results: Mapping[str, Outcomes]) -> str:
    shares = [f"{SUBJECTS[stack].title} {its[key].share:.0%}" for stack, its in results.items() if key in its]
    return f"{titled(SCENARIOS[key])}: of what was possible {', '.join(shares)}."


def _legend(results: Mapping[str, Outcomes]) -> Iterator[str]:
    entries = {"possible": "what is possible"} | {stack: SUBJECTS[stack].title for stack in results}
    x = LEFT
    for name, title in entries.items():
        yield f'<path class="line {name}" d="M{x} 30h36"/>'
        yield f'<text x="{x + 44}" y="34">{escape(title)}</text>'
        x += 80 + 7 * len(title)


def _chart(top: int, key: str, results: Mapping[str, Outcomes]) -> Iterator[str]:
    outcomes = {stack: its[key] for stack, its in results.items() if key in its and its[key].series}
    one = next(iter(outcomes.values()))
    per_second = CHART_WIDTH / (len(one.series) * BIN_SECONDS)
    began, ended = (LEFT + moment * per_second for moment in one.span)
    bottom = top + CHART_HEIGHT
    yield f'<text class="name" x="{LEFT}" y="{top - 12}">{escape(titled(SCENARIOS[key]))}</text>'
    yield f'<rect class="overload" x="{began:.1f}" y="{top}" width="{ended - began:.1f}" height="{CHART_HEIGHT}"/>'
    for share in (0.0, 0.5, 1.0):
        y = _height(share, top)
        yield f'<path class="{"possible" if share == 1 else "grid"}" d="M{LEFT} {y:.1f}h{CHART_WIDTH}"/>'
        yield f'<text class="small end" x="{LEFT - 8}" y="{y + 4:.1f}">{share:.0%}</text>'
    for stack in sorted(outcomes, key=lambda stack: stack == "ours"):  # on top of the others
        yield f'<path class="line {stack}" d="{_outline(outcomes[stack].series, top)}"/>'
    for moment, text in zip(one.span, ("0 s", f"{one.span[1] - one.span[0]:g} s"), strict=True):
        x = LEFT + moment * per_second
        yield f'<text class="small middle" x="{x:.1f}" y="{bottom + 18}">{text}</text>'


def _outline(series: Sequence[Moment], top: int) -> str:
    width = CHART_WIDTH / len(series)
    points = [
        # Where nothing was possible, nothing is missing.
        (LEFT + (place + 0.5) * width, _height(goodput / possible if possible else 1.0, top))
        for place, (goodput, possible) in enumerate(series)
    ]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _height(share: float, top: int) -> float:
    return top + CHART_HEIGHT * (1 - min(share, MOST) / MOST)
