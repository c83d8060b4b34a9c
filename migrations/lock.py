"""One migration at a time: a lock that the database (or, for SQLite, the file system) gives back if we die."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

WAIT_SECONDS = 300
NAME = "flask_sakila_migrations"


@contextmanager
def migration_lock(engine: Engine) -> Iterator[None]:
    """Hold the lock of this database; others wait here, on MySQL and MariaDB for five minutes at the most."""
    match engine.dialect.name:
        case "sqlite":
            yield from _file_lock(engine)
        case "postgresql":
            yield from _session_lock(engine, "SELECT 1 FROM pg_advisory_lock(hashtext(:name))", NAME)
        case _:
            # The server's locks have one name space for all its databases.
            name = f"{NAME}.{engine.url.database}"[-64:]
            yield from _session_lock(engine, f"SELECT GET_LOCK(:name, {WAIT_SECONDS})", name)


def _session_lock(engine: Engine, statement: str, name: str) -> Iterator[None]:
    """Hold a lock that lives as long as its connection."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        granted = connection.scalar(text(statement), {"name": name})
        if granted != 1:
            raise SystemExit("The lock for migrations could not be had: another one is running; nothing was changed.")
        yield


def _file_lock(engine: Engine) -> Iterator[None]:
    with open(f"{engine.url.database}.migrating", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
