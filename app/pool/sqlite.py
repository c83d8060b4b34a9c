"""What SQLite needs to behave like the servers: foreign keys, and no file made by a mere look."""

import sqlite3
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection

from app.pool import deadline

LONGEST_WAIT_SECONDS = 30.0


def existing_file(url: URL) -> URL:
    """Return the URL that opens the file but never creates it: a mistyped path is an error, not an empty database."""
    return url.set(database=f"file:{quote(url.database or '')}", query={"mode": "rw", **url.query, "uri": "true"})


def begin_statement(cursor: sqlite3.Cursor, *_: object) -> None:
    """Let a statement wait for another writer for as long as the request may still take."""
    _wait_within_deadline(cursor.connection)


def begin_commit(connection: Connection) -> None:
    """Let a COMMIT do so, too."""
    _wait_within_deadline(connection.connection)


def _wait_within_deadline(connection: Any) -> None:
    milliseconds = deadline.seconds_for(LONGEST_WAIT_SECONDS) * 1000
    with suppress(sqlite3.OperationalError):  # interrupted: so will be what comes
        connection.cursor().execute(f"PRAGMA busy_timeout = {milliseconds:.0f}")


def enforce_foreign_keys(connection: Any, _record: object) -> None:
    """Switch foreign keys on, which SQLite leaves off on every new connection."""
    connection.execute("PRAGMA foreign_keys = ON")
