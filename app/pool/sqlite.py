"""What SQLite needs to behave like the servers: foreign keys, and no file made by a mere look."""

from typing import Any
from urllib.parse import quote

from sqlalchemy import URL


def existing_file(url: URL) -> URL:
    """Return the URL that opens the file but never creates it: a mistyped path is an error, not an empty database."""
    return url.set(database=f"file:{quote(url.database or '')}", query={"mode": "rw", **url.query, "uri": "true"})


def enforce_foreign_keys(connection: Any, _record: object) -> None:
    """Switch foreign keys on, which SQLite leaves off on every new connection."""
    connection.execute("PRAGMA foreign_keys = ON")
