"""Follows a document to the letter: writes its files, changes its lines, runs its commands, compares what they print.

Every fenced block is one step, and the line that ends with a colon above it says which:

    New file `app/films/models.py`:                         the block is the file
    In `app/__init__.py`, below `from app.commands`:        the block goes below the one line that begins like that
    In `app/__init__.py`, instead of `from app.commands`:   the block takes that line's place
    In `app/errors.py`, from `KINDS` to `}`:                the block takes the place of that line to the next of those
    In `app/__init__.py`:                                   a `diff` block: lines with - go, lines with + come

A path may have a * in it, for a number that depends on what was there before.

A `console` block has commands behind `$ ` and what they print, where … stands for anything, alone on a line for any
lines; `./run serve &` runs until the end, and is waited for. A block of any other kind is an error: nothing is left
untried.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.serve.serving import Serving, environment

FENCE = re.compile(r"(?:^([^\n]+:)\n\n?)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEW = re.compile(r"New file `([^`]+)`:")
CHANGE = re.compile(r"In `([^`]+)`, (below|instead of|from) `([^`]+)`(?: to `([^`]+)`)?:")
DIFF = re.compile(r"In `([^`]+)`:")
SERVER = "http://127.0.0.1:8000"


class DocumentError(AssertionError):
    """The document says something that is not so."""


@dataclass(frozen=True)
class Step:
    """One fenced block: what the line above it says, its kind and its text."""

    place: str
    lead: str
    kind: str
    text: str


def follow(document: Path, tree: Path) -> None:
    """Do in the tree what the document says, in order; raise DocumentError with its line where that does not work."""
    with ExitStack() as running:
        servers: list[Serving] = []
        for step in steps(document):
            if step.kind != "console":
                change(step, tree)
                continue
            for command, expected in commands(step):
                if command == "./run serve &":
                    servers.append(running.enter_context(Serving(tree, LOG_FORMAT="json")))
                    servers[-1].wait()
                else:
                    run(step, tree, command, expected, servers)


def steps(document: Path) -> Iterator[Step]:
    text = document.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start(3))
        yield Step(f"{document.name}, line {line}", found[1] or "", found[2], found[3])


def change(step: Step, tree: Path) -> None:
    if new := NEW.fullmatch(step.lead):
        path = tree / new[1]
        if path.exists():
            raise DocumentError(f"{step.place}: {new[1]} is there already")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step.text, encoding="utf-8")
    elif step.kind == "diff" and (asked := DIFF.fullmatch(step.lead)):
        apply(step, the_file(step, tree, asked[1]))
    elif asked := CHANGE.fullmatch(step.lead):
        path = the_file(step, tree, asked[1])
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        anchors = [number for number, line in enumerate(lines) if line.strip().startswith(asked[3])]
        if len(anchors) != 1:
            raise DocumentError(f"{step.place}: {len(anchors)} lines of {asked[1]} begin with {asked[3]}")
        first, last = anchors[0] + (asked[2] == "below"), anchors[0]
        if asked[4]:
            ends = [number for number, line in enumerate(lines) if number > last and line.strip().startswith(asked[4])]
            if not ends:
                raise DocumentError(f"{step.place}: after {asked[3]} no line of {asked[1]} begins with {asked[4]}")
            last = ends[0]
        lines[first : last + 1] = [step.text]
        path.write_text("".join(lines), encoding="utf-8")
    else:
        raise DocumentError(
            f"{step.place}: a block of {step.kind or 'no kind'} below {step.lead!r}, which says nothing"
        )


def the_file(step: Step, tree: Path, name: str) -> Path:
    found = sorted(tree.glob(name))
    if len(found) != 1:
        raise DocumentError(f"{step.place}: there are {len(found)} files {name}")
    return found[0]


def apply(step: Step, path: Path) -> None:
    """Change the one place of a file that has the lines of a diff without a + before them."""
    lines = step.text.splitlines(keepends=True)
    before, after = ("".join(line[1:] for line in lines if line[0] != mark) for mark in "+-")
    text = path.read_text(encoding="utf-8")
    if (count := f"\n{text}".count(f"\n{before}")) != 1:
        raise DocumentError(f"{step.place}: {count} places of {path.name} have the lines\n{before}")
    path.write_text(f"\n{text}".replace(f"\n{before}", f"\n{after}")[1:], encoding="utf-8")


def commands(step: Step) -> Iterator[tuple[str, str]]:
    """Return each command with what it is to print."""
    head, *parts = re.split(r"^\$ ", step.text, flags=re.MULTILINE)
    if head or not parts:
        raise DocumentError(f"{step.place}: a console block begins with a command")
    for part in parts:
        command, _, expected = part.partition("\n")
        yield command, expected


def run(step: Step, tree: Path, command: str, expected: str, servers: list[Serving]) -> None:
    there = command.replace(SERVER, f"http://127.0.0.1:{servers[-1].port}") if servers else command
    ended = subprocess.run(
        ["bash", "-c", there],
        cwd=tree,
        env=environment(tree),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    if ended.returncode:
        raise DocumentError(f"{step.place}: $ {command}\nended with {ended.returncode}:\n{ended.stdout}")
    # A page need not end with a line break; a console block does.
    if expected and not re.fullmatch(pattern(expected), ended.stdout.rstrip("\n") + "\n", re.DOTALL):
        raise DocumentError(f"{step.place}: $ {command}\nprinted\n{ended.stdout}\ninstead of\n{expected}")


def pattern(expected: str) -> str:
    """Return the regular expression for what a command is to print."""
    lines = [
        "(?:.*\n)?" if line == "…\n" else re.escape(line).replace("…", "[^\n]*") for line in expected.splitlines(True)
    ]
    return "".join(lines)
