"""What SQLite needs to behave like the servers: foreign keys, and no file made by a mere look."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL

from steadypool import deadline

LONGEST_WAIT_SECONDS = 30.0


def existing_file(url: URL) -> URL:
    """Return the URL that opens the file but never creates it: a mistyped path is an error, not an empty database."""
    return url.set(database=f"file:{quote(url.database or '')}", query={"mode": "rw", **url.query, "uri": "true"})


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
