"""A name in a Sakila of somebody else: what to compare its column with, so that `fold` has few rows to decide among."""

import re
from unicodedata import normalize

from sqlalchemy import ColumnElement, or_

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
    if name.isascii() and not _APOSTROPHE.search(name):  # as most are: composed, in one spelling
        return [name.strip()]
    form, *other = _forms(here, name)
    if other:
        return []
    before, *after = _APOSTROPHE.split(form)
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
    return or_(*(_is_like(here, form, more) for form in _forms(here, name)))


def _is_like(here: Layout, form: str, more: str) -> ColumnElement[bool]:
    pattern = "".join(
        "_" if letter in APOSTROPHES else f"\\{letter}" if letter in "\\%_" else letter for letter in form
    )
    # lower() would be computed for every row, and no index on the names would serve.
    like = City.city.like if here.ignores_case_of(form) else City.city.ilike
    return like(pattern + more, escape="\\")


def _forms(here: Layout, name: str) -> list[str]:
    """Return the name composed, and as it was typed: macOS makes two characters of an ü.

    Only Unicode has a place for the second, and some of its collations tell one from the other.
    """
    typed = name.strip()
    composed = normalize("NFC", typed)
    return [composed] if composed == typed or not here.is_unicode else [composed, typed]
