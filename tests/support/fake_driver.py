"""A driver that keeps nothing and asks nobody: its connections notice who uses them, from the first call to the last.

It speaks as sqlite3 does, so that an engine on SQLite takes it (`creator=driver.connect`). All of it is Python, so that
threads take turns in it as anywhere, and a fork leaves no lock of a library behind.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Sequence
from typing import Any


class FakeDriver:
    """Makes connections, and knows which are open and what went wrong on them."""

    def __init__(self) -> None:
        self.open: set[FakeConnection] = set()
        self.wrong: list[str] = []
        self.refusing = threading.local()
        """`refusing.now` has this thread's connects fail."""

    def connect(self) -> FakeConnection:
        if getattr(self.refusing, "now", False):
            raise sqlite3.OperationalError("not today")
        made = FakeConnection(self)
        self.open.add(made)
        return made


class FakeConnection:
    """A connection that one thread may use at a time, in the process that opened it."""

    isolation_level: str | None = None
    in_transaction = False

    def __init__(self, driver: FakeDriver) -> None:
        self._driver, self._process = driver, os.getpid()
        self._busy: int | None = None
        self.user: int | None = None
        self.is_cut = False

    def touch(self) -> None:
        """Do what takes a moment, and notice whoever does so as well."""
        here = threading.get_ident()
        if os.getpid() != self._process:
            self._driver.wrong.append("a child used its parent's connection")
        if self not in self._driver.open:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        if self._busy is not None or self.user not in (None, here):
            self._driver.wrong.append(f"{here} came while {self._busy or self.user} was there")
        self._busy = here
        for _ in range(5):
            if self._busy != here:
                self._driver.wrong.append(f"{self._busy} came while {here} was there")
        self._busy = None
        if self.is_cut:
            error = sqlite3.OperationalError("interrupted")
            error.sqlite_errorcode, error.sqlite_errorname = 9, "SQLITE_INTERRUPT"
            raise error

    def cursor(self) -> FakeCursor:
        return FakeCursor(self)

    def execute(self, _sql: str) -> None:
        self.touch()

    def create_function(self, *_: Any, **__: Any) -> None:
        self.touch()

    def commit(self) -> None:
        self.touch()

    def rollback(self) -> None:
        self.touch()

    def close(self) -> None:
        if os.getpid() != self._process:
            self._driver.wrong.append("a child closed its parent's connection")
        self._driver.open.discard(self)


class FakeCursor:
    """Answers with what it was asked."""

    rowcount, lastrowid, arraysize = -1, None, 1
    description = (("answer", None, None, None, None, None, None),)

    def __init__(self, connection: FakeConnection) -> None:
        self.connection, self._rows = connection, list[Sequence[Any]]()

    def cursor(self) -> FakeCursor:
        """Stand in for the connection: the pool tells it from a cursor by sqlite3's classes."""
        return FakeCursor(self.connection)

    def execute(self, _sql: str, parameters: Sequence[Any] = ()) -> None:
        self.connection.touch()
        self._rows = [tuple(parameters) or (0,)]

    def fetchone(self) -> Sequence[Any] | None:
        self.connection.touch()
        return self._rows.pop() if self._rows else None

    def fetchall(self) -> list[Sequence[Any]]:
        rows, self._rows = self._rows, []
        return rows

    def close(self) -> None:
        self._rows = []


class FakeWire:
    """What a fake connection goes over: it can be cut."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def is_quiet(self) -> bool:
        return not self._connection.is_cut

    def cut(self) -> bool:
        self._connection.is_cut = True
        return True

    def close(self) -> None:
        pass
