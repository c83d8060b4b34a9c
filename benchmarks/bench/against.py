"""`./run bench --against COMMIT`: stacks of this tree and of an earlier one, in turn in one run, and their ratios.

Both run on the packages that are installed now, and on tables that this tree has made.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench.plan import HEADLINE, PLAIN, Plan
from benchmarks.bench.summary import Summary
from benchmarks.publishing import in_words, table
from benchmarks.stacks import STACKS, Stack
from testkit import ROOT

COMPARED = ("floor", "raw", "ours", "ours-as-shipped")
"""What is compared where nothing else is asked for; the first two show what a ratio is worth."""
LAPS, QUICK_LAPS = 9, 6

MEANING = f"""\
A ratio is that of two neighbouring rounds, this tree's over the other's: the median, and in brackets the second
smallest and the second largest. The true median lies between them 96 times in 100 with {LAPS} rounds, 78 with
{QUICK_LAPS}."""


def plan_for(stacks: int, *, is_quick: bool) -> Plan:
    """Return the rounds, with 16 clients and, unless quick, with one; `stacks` counts both trees'."""
    laps = QUICK_LAPS if is_quick else LAPS
    condition = replace(PLAIN, clients=(HEADLINE,) if is_quick else (1, HEADLINE))
    return Plan(stacks, (condition,), laps=laps, laps_of_figures=laps, headline_seconds=1 if is_quick else 2)


def then(key: str) -> str:
    """Return the name that a stack has in the other tree."""
    return f"{key}-then"


def of_both(stacks: Sequence[Stack], folder: Path, commit: str) -> list[Stack]:
    """Return each stack, and behind it the one that lies in a folder."""
    pairs = (
        (each, replace(each, key=then(each.key), title=f"{each.title} at {commit}", root=folder)) for each in stacks
    )
    return [stack for pair in pairs for stack in pair]


PINNED = re.compile(r"^([\w.-]+)==([^\s\\;]+)(?:[ ]\\)?$", re.MULTILINE)
"""A package of requirements.txt that each platform needs."""


@contextmanager
def checked_out(commit: str, into: Path) -> Iterator[Path]:
    """Yield a folder with the files of a commit, gone after the block; SystemExit says why there is none."""
    place = into / "then"
    added = _git("worktree", "add", "--detach", str(place), commit)
    if added.returncode:
        sys.exit(f"./run bench: no files of {commit!r}: {added.stderr.strip().splitlines()[-1]}")
    try:
        if lacking := _lacking(place):
            sys.exit(f"./run bench: {commit} needs what is not installed: pip install --no-deps {' '.join(lacking)}")
        yield place
    finally:
        _git("worktree", "remove", "--force", str(place))


def _lacking(place: Path) -> list[str]:
    """Return the packages that a tree needs and that are not installed, in any version."""
    pinned = PINNED.findall((place / "requirements.txt").read_text("utf-8"))
    return [f"{package}=={number}" for package, number in pinned if not _is_installed(package)]


def _is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def report(results: dict[str, Any], commit: str) -> str:
    """Return the table of ratios, as Markdown."""
    summary = Summary(results)
    pairs = [key for key in STACKS if then(key) in results["titles"]]
    rows = [
        [results["titles"][key], str(clients), *_row(summary, key, clients)]
        for key in pairs
        for clients in (1, HEADLINE)
        if summary.rounds(key, clients)
    ]
    head = ["", "clients", "requests/s", f"at {commit}", "ratio", "trouble"]
    early = f"**Ended early** ({results['ended_early']}).\n\n" if results["ended_early"] else ""
    return f"{early}{table(head, rows)}\n\n{MEANING}\n\n{in_words(results['circumstances'])}\n"


def _row(summary: Summary, key: str, clients: int) -> list[str]:
    trouble = [summary.left_out(each) or summary.errors(each, clients) for each in (key, then(key))]
    speeds = [f"{summary.per_second(each, clients) or 0:,.0f}" for each in (key, then(key))]
    ratios = summary.ratios(key, then(key), clients)
    return [*speeds, with_interval(ratios), "; ".join(filter(None, trouble)) or "none"]


def with_interval(values: Sequence[float]) -> str:
    """Return the median, with the second smallest and the second largest where there are as many."""
    if not values:
        return "–"
    ranked = sorted(values)
    interval = f" ({ranked[1]:.2f}–{ranked[-2]:.2f})" if len(ranked) >= QUICK_LAPS else ""
    return f"{median(ranked):.2f}{interval}"
