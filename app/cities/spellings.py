"""A name in a Sakila of somebody else: what to compare its column with, so that `fold` has few rows to decide among."""

import re

from sqlalchemy import ColumnElement

from app.cities.layout import Layout
from app.cities.models import City
from app.cities.names import APOSTROPHES

_APOSTROPHE = re.compile(f"[{APOSTROPHES}]")


def spellings_of(here: Layout, name: str) -> list[str]:
    """Return what the name is equal to where the column ignores case by itself; none where it may be something else.

    With an apostrophe that is all seven kinds; of two, they would be 49.
    """
    if not here.ignores_case_of(name):
        return []
    before, *after = _APOSTROPHE.split(name.strip())
    if not after:
        return [before]
    return [before + sign + after[0] for sign in APOSTROPHES] if len(after) == 1 and here.is_unicode else []


def is_called(here: Layout, name: str) -> ColumnElement[bool]:
    """Select the names that may be this one."""
    spellings = spellings_of(here, name)
    return City.city.in_(spellings) if spellings else _looks_like(here, name)


def begins_like(here: Layout, prefix: str) -> ColumnElement[bool]:
    """Select the names that may begin like this."""
    return _looks_like(here, prefix, more="%")


def _looks_like(here: Layout, name: str, more: str = "") -> ColumnElement[bool]:
    """Select by the database's own collation, with any one character where an apostrophe stands."""
    pattern = "".join(
        "_" if letter in APOSTROPHES else f"\\{letter}" if letter in "\\%_" else letter for letter in name.strip()
    )
    # lower() would be computed for every row, and no index on the names would serve.
    like = City.city.like if here.ignores_case_of(name) else City.city.ilike
    return like(pattern + more, escape="\\")
