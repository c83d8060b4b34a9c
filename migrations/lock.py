"""One migration at a time: whoever migrates does so on the connection that has the lock, and not a moment longer."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from migrations.lease import WAIT_SECONDS, lease

NAME = "flask_sakila_migrations"


@contextmanager
def migration_lock(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that alone may migrate this database; others wait here.

    The server gives its lock back when that connection ends, however its owner ended; for SQLite the file system does.
    The nodes of a Galera cluster do not share their locks: there a lease is taken as well. On MySQL and MariaDB who
    waits for longer than five minutes is sent away with SystemExit.
    """
    if engine.dialect.name == "sqlite":
        with _file_lock(engine), engine.connect() as connection:
            yield connection
    elif engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            _lock(connection, "SELECT 1 FROM pg_advisory_lock(hashtext(:name))", NAME)
            yield connection
    else:
        # The server's locks have one name space for all its databases.
        name = f"{NAME}.{engine.url.database}"[-64:]
        with engine.connect() as connection:
            _lock(connection, f"SELECT GET_LOCK(:name, {WAIT_SECONDS})", name)
            with lease(connection):
                yield connection


def _lock(connection: Connection, statement: str, name: str) -> None:
    granted = connection.scalar(text(statement), {"name": name})
    connection.rollback()  # these locks outlive their transaction
    if granted != 1:
        raise SystemExit("The lock for migrations could not be had: another one is running; nothing was changed.")


@contextmanager
def _file_lock(engine: Engine) -> Iterator[None]:
    with open(f"{engine.url.database}.migrating", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
