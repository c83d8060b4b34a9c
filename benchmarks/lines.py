"""How long a package's sources are: all lines, those of code alone, the longest file and the longest function."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
"""Tokens that make no line one of code."""


@dataclass(frozen=True)
class Sizes:
    """Lines by file, and of each function; a function is named by its file as well."""

    files: dict[str, int]
    code: dict[str, int]
    functions: dict[str, int]

    def longest_file(self) -> tuple[str, int]:
        """Return its path and its lines."""
        return max(self.files.items(), key=lambda each: each[1])

    def longest_function(self) -> tuple[str, int]:
        """Return its name and its lines."""
        return max(self.functions.items(), key=lambda each: each[1])


def sizes_of(folder: Path) -> Sizes:
    """Return the sizes of all Python files in a folder."""
    sources = {str(path.relative_to(folder)): path.read_text("utf-8") for path in sorted(folder.rglob("*.py"))}
    return Sizes(
        files={name: len(source.splitlines()) for name, source in sources.items()},
        code={name: lines_of_code(source) for name, source in sources.items()},
        functions={f"{name}:{function}": n for name, source in sources.items() for function, n in _functions(source)},
    )


def lines_of_code(source: str) -> int:
    """Return how many lines are neither blank nor only a comment or a docstring, those of attributes included."""
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    used = {line for each in tokens if each.type not in SILENT for line in range(each.start[0], each.end[0] + 1)}
    said = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr) and _is_text(node.value))
    return len(used - set(_lines(said)))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _lines(nodes: Iterable[ast.stmt]) -> Iterator[int]:
    for node in nodes:
        yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _functions(source: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{node.name} (line {node.lineno})", (node.end_lineno or node.lineno) - node.lineno + 1
