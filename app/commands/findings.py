"""What one line of doctor's says."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "not checked", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What one line says: how it is, in words, and what to do about it unless it is ok."""

    level: Level
    text: str
    remedy: str = ""


def no_table(table: str) -> Finding:
    """Return what can be said of a table that is not there, or is kept from this user."""
    return Finding("not checked", f"there is no table {table} that this user may see")
