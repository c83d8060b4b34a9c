"""Sakila's cities as tests and benchmarks know them: read from the file, not through the application."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable
from functools import cache

from testkit import ROOT

DATA = ROOT / "app" / "cities" / "data"


def rows(table: str) -> list[dict[str, str]]:
    """Return the lines of one of Sakila's files, in the order of their ids."""
    with (DATA / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names() -> list[str]:
    """Return all 600 names; London is there twice."""
    return [row["city"] for row in rows("city")]


def first_ids() -> dict[str, int]:
    """Return the lowest id of each name."""
    ids: dict[str, int] = {}
    for row in rows("city"):
        ids.setdefault(row["city"], int(row["city_id"]))
    return ids


def answer(name: str) -> str:
    """Return the one right answer to a name, as a line of text."""
    return f'City "{name}" is #{_ids()[name]}'


@cache
def _ids() -> dict[str, int]:
    return first_ids()


def without_accents(name: str) -> str:
    """Return a name as somebody types it who has no accents on the keyboard; ´ is Sakila's apostrophe and stays."""
    return "".join(letter for letter in unicodedata.normalize("NFD", name) if unicodedata.category(letter) != "Mn")


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as written": str,
    "in upper case": str.upper,
    "in lower case": str.lower,
    "without accents": without_accents,
}
APOSTROPHES = "´'’"
