"""The matrix as a picture: a square for each cell, in its colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

FILLS = {"green": "#3fa34d", "yellow": "#e9b824", "red": "#cf3f3f"}
SIGNS = {"green": "✓", "yellow": "~", "red": "✗"}
"""For eyes that do not tell the colours apart."""
FONT = 'font-family="sans-serif" font-size="13"'
NAMES, WIDTH, HEIGHT, HEAD = 230, 150, 24, 54


def draw(rows: Mapping[str, Sequence[str]], columns: Sequence[str]) -> str:
    """Return an SVG with a row for each fault and a column for each stack."""
    width, height = NAMES + WIDTH * len(columns), HEAD + HEIGHT * len(rows) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {FONT}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(_heading(place, title) for place, title in enumerate(columns)),
        *(part for place, (name, colours) in enumerate(rows.items()) for part in _row(place, name, colours)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _heading(place: int, title: str) -> str:
    x, lines = NAMES + WIDTH * place + WIDTH // 2, title.split(", ", 1)
    spans = "".join(f'<tspan x="{x}" dy="{16 * bool(line)}">{escape(text)}</tspan>' for line, text in enumerate(lines))
    return f'<text x="{x}" y="{HEAD - 28}" text-anchor="middle" font-size="12">{spans}</text>'


def _row(place: int, name: str, colours: Sequence[str]) -> list[str]:
    y = HEAD + HEIGHT * place
    cells = [_cell(NAMES + WIDTH * column, y, colour) for column, colour in enumerate(colours)]
    return [f'<text x="{NAMES - 10}" y="{y + 16}" text-anchor="end">{escape(name)}</text>', *cells]


def _cell(x: int, y: int, colour: str) -> str:
    box = f'<rect x="{x + 2}" y="{y + 2}" width="{WIDTH - 4}" height="{HEIGHT - 4}" rx="3" fill="{FILLS[colour]}"/>'
    middle = f'x="{x + WIDTH // 2}" y="{y + 17}" text-anchor="middle" fill="#1c1c1c"'
    return f"{box}<text {middle}>{SIGNS[colour]}</text>"
