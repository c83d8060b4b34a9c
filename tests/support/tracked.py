"""Driver connections of SQLite that are all known, so that those that are really open can be counted."""

from __future__ import annotations

import sqlite3
from typing import Any
from weakref import WeakSet

from tests.support.storming import is_open


class Tracked(sqlite3.Connection):
    """One that can be told to behave as if its server were gone."""

    is_gone = False

    def cursor(self, *arguments: Any, **more: Any) -> Any:
        if self.is_gone:
            raise sqlite3.OperationalError("gone")
        return super().cursor(*arguments, **more)


class Tracker:
    """Makes the connections of an engine (`connect_args={"factory": tracker}`)."""

    def __init__(self) -> None:
        self._made: WeakSet[Tracked] = WeakSet()

    def __call__(self, *arguments: Any, **more: Any) -> Tracked:
        made = Tracked(*arguments, **more)
        self._made.add(made)
        return made

    def open(self) -> int:
        """Return how many there are that nobody has closed."""
        return sum(map(is_open, list(self._made)))
