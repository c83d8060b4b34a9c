"""SQLite, which needs telling to behave like the servers: foreign keys, and waiting for other writers."""

import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from steadypool.core import deadline
from steadypool.core.classify import ErrorKind
from steadypool.core.wire import Wire
from steadypool.drivers.driver import Call, Driver
from steadypool.drivers.opening import CONNECT_TIMEOUT_SECONDS

LONGEST_WAIT_SECONDS = 30.0

# sqlite.org/rescode.html, the low byte
KINDS: dict[int | str, ErrorKind] = {
    10: ErrorKind.CONNECTION_DEAD,  # I/O error
    11: ErrorKind.CONNECTION_DEAD,  # corrupt
    14: ErrorKind.CONNECTION_DEAD,  # cannot open
    26: ErrorKind.CONNECTION_DEAD,  # not a database
    8: ErrorKind.READ_ONLY,  # the file
    5: ErrorKind.TRY_AGAIN,  # busy
    6: ErrorKind.TRY_AGAIN,  # locked
    9: ErrorKind.INTERRUPTED,  # interrupted
}


class SQLite(Driver):
    """sqlite, by the standard library."""

    module = "sqlite3"
    kinds = KINDS

    def connect_arguments(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return how long it waits for another writer while connecting, and that any thread may use it, one by one."""
        return {"timeout": CONNECT_TIMEOUT_SECONDS, "check_same_thread": False}

    def open(self, call: Call, seconds: float, note: Callable[[Wire], None]) -> Any:
        """Open the file at once: there is nobody to wait for."""
        return call.connect(*call.positional, **call.arguments)

    def wire_of(self, connection: Any) -> Wire | None:
        """Return a handle that interrupts, None for another's connection class."""
        return LocalWire(connection) if isinstance(connection, sqlite3.Connection) else None

    def is_in_transaction(self, connection: Any) -> bool:
        """Tell it by the library's word."""
        return bool(getattr(connection, "in_transaction", False))


class LocalWire:
    """SQLite has no socket; its connection can be interrupted."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def is_quiet(self) -> bool:
        """There is nobody who could close it."""
        return True

    def cut(self) -> bool:
        """Interrupt the statement."""
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed in the meantime
            self._connection.interrupt()
        return True

    def close(self) -> None:
        """Nothing to do."""


def waiting(call: Callable[..., None]) -> Callable[..., None]:
    """Return one of the dialect's calls such that it waits for other writers as long as the request may still take."""

    def run(on: Any, *values: Any) -> None:
        wait_for_writers(on.connection if isinstance(on, sqlite3.Cursor) else on)
        call(on, *values)

    return run


def wait_for_writers(connection: Any) -> None:
    """Have what comes next on a connection wait so long for another writer."""
    milliseconds = deadline.seconds_for(LONGEST_WAIT_SECONDS) * 1000
    with suppress(sqlite3.OperationalError):  # interrupted: so will be what comes
        connection.cursor().execute(f"PRAGMA busy_timeout = {milliseconds:.0f}")


def enforce_foreign_keys(connection: Any, _record: object) -> None:
    """Switch foreign keys on, which SQLite leaves off on every new connection."""
    connection.execute("PRAGMA foreign_keys = ON")
