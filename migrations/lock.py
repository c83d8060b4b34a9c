"""One migration at a time: a lock that the database (or, for SQLite, the file system) gives back if we die."""

import fcntl
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

WAIT_SECONDS = 300
NAME = "flask_sakila_migrations"


@contextmanager
def migration_lock(engine: Engine) -> Iterator[None]:
    """Hold the lock of this database; others wait here, on MySQL and MariaDB for five minutes at the most."""
    match engine.dialect.name:
        case "sqlite":
            with _file_lock(engine):
                yield
        case "postgresql":
            with _session_lock(engine, "SELECT 1 FROM pg_advisory_lock(hashtext(:name))", NAME):
                yield
        case _:
            # The server's locks have one name space for all its databases.
            name = f"{NAME}.{engine.url.database}"[-64:]
            with (
                _session_lock(engine, f"SELECT GET_LOCK(:name, {WAIT_SECONDS})", name) as connection,
                _cluster_lock(connection),
            ):
                yield


@contextmanager
def _session_lock(engine: Engine, statement: str, name: str) -> Iterator[Connection]:
    """Hold a lock that lives as long as its connection."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        granted = connection.scalar(text(statement), {"name": name})
        if granted != 1:
            raise SystemExit("The lock for migrations could not be had: another one is running; nothing was changed.")
        yield connection


@contextmanager
def _cluster_lock(connection: Connection) -> Iterator[None]:
    """Hold the lock of a Galera cluster as well, whose nodes do not share GET_LOCK: a table that only one can make.

    All nodes take a CREATE TABLE in the same order. Its comment says on which node that was. Where we have that node's
    GET_LOCK, nobody is at work there any more, and the table is what one left that was killed.
    """
    if (node := _galera_node(connection)) is None:
        yield
        return
    ours, end = f"{node} {secrets.token_hex(4)}", time.monotonic() + WAIT_SECONDS
    while (holder := _held_by(connection, ours)) != ours:
        if holder.rpartition(" ")[0] == node:
            connection.execute(text(f"DROP TABLE IF EXISTS {NAME}"))
        elif time.monotonic() < end:
            time.sleep(0.5)
        else:
            raise SystemExit(
                f"Another migration is running on the node {holder.rpartition(' ')[0]} of the cluster; nothing was "
                f"changed. If there is none, one was killed: DROP TABLE {NAME}, and migrate again."
            )
    try:
        yield
    finally:
        connection.execute(text(f"DROP TABLE IF EXISTS {NAME}"))


def _galera_node(connection: Connection) -> str | None:
    rows = connection.execute(text("SHOW VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_node_name')"))
    found = {name.lower(): value for name, value in rows.all()}
    return found["wsrep_node_name"] if found.get("wsrep_on") == "ON" else None


def _held_by(connection: Connection, comment: str) -> str:
    connection.execute(
        text(f"CREATE TABLE IF NOT EXISTS {NAME} (nothing INT PRIMARY KEY) COMMENT :comment"), {"comment": comment}
    )
    seen = "SELECT table_comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :name"
    return connection.scalar(text(seen), {"name": NAME}) or ""


@contextmanager
def _file_lock(engine: Engine) -> Iterator[None]:
    with open(f"{engine.url.database}.migrating", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
