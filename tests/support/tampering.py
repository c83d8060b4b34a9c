"""What tests do to a server for a while: users with few rights, other settings, and one that never answers."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url, text

from app.schema import KEPT_ANSWERS, MAIN, TABLES
from testkit.databases import Database, administer

PASSWORD = "g3heim"


@contextmanager
def user_with(database: Database, limit: str) -> Iterator[str]:
    """Yield the address for a new user of this database with that limit."""
    name, account, has = _new_account(database, "limited")
    administer(database.admin_url, f"CREATE USER {account} {has} '{PASSWORD}' {limit}")
    try:
        if database.name != "postgresql":
            administer(database.admin_url, f"GRANT ALL ON {make_url(database.url).database}.* TO {account}")
        yield make_url(database.url).set(username=name, password=PASSWORD).render_as_string(hide_password=False)
    finally:
        administer(database.admin_url, f"DROP USER {account}")


@contextmanager
def user_who_may(database: Database, rights: str | dict[str, str]) -> Iterator[str]:
    """Yield the address for a new user with these rights on our tables, or on each its own, and on nothing else."""
    name, account, has = _new_account(database, "few_rights")
    schema, is_postgresql = make_url(database.url).database, database.name == "postgresql"
    if isinstance(rights, str):
        rights = {**dict.fromkeys(TABLES | KEPT_ANSWERS, rights), "alembic_version": "SELECT"}
    grants = [f"GRANT {right} ON {table} TO {account}" for table, right in rights.items()]
    with database.connect() as connection:
        if is_postgresql and "INSERT" in rights.get(MAIN, ""):  # where new ids come from, if they are numbers
            sequence = connection.scalar(text(f"SELECT pg_get_serial_sequence('{MAIN}', '{TABLES[MAIN]}')"))
            grants += [f"GRANT USAGE ON SEQUENCE {sequence} TO {account}"] if sequence else []
        connection.execute(text(f"CREATE USER {account} {has} '{PASSWORD}'"))
        for grant in grants if is_postgresql else [grant.replace(" ON ", f" ON {schema}.") for grant in grants]:
            connection.execute(text(grant))
    try:
        yield make_url(database.url).set(username=name, password=PASSWORD).render_as_string(hide_password=False)
    finally:
        if is_postgresql:
            administer(database.url, f"DROP OWNED BY {account}")
        administer(database.admin_url, f"DROP USER {account}")


def _new_account(database: Database, purpose: str) -> tuple[str, str, str]:
    """Return a new user's name, how the server writes it, and what comes before its password."""
    name = f"{purpose}_{secrets.token_hex(4)}"
    if database.name == "postgresql":
        return name, name, "WITH PASSWORD"
    return name, f"'{name}'@'%'", "IDENTIFIED BY"


@contextmanager
def globally(database: Database, name: str, value: object) -> Iterator[None]:
    """Set a global variable of MySQL or MariaDB for a while."""
    with database.connect() as connection:
        before = connection.scalar(text(f"SELECT @@GLOBAL.{name}"))
    administer(database.admin_url, f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        administer(database.admin_url, f"SET GLOBAL {name} = {before}")


@contextmanager
def max_connections(database: Database, number: int) -> Iterator[None]:
    """Let a MySQL or MariaDB allow only so many connections for a while; neither goes below 10."""
    with globally(database, "max_connections", number):
        yield


@contextmanager
def preset(database: Database, name: str, value: str) -> Iterator[None]:
    """Give new sessions of a PostgreSQL database this setting for a while."""
    change = f"ALTER DATABASE {make_url(database.url).database}"
    administer(database.admin_url, f"{change} SET {name} = '{value}'")
    try:
        yield
    finally:
        administer(database.admin_url, f"{change} RESET {name}")


@contextmanager
def deaf_server() -> Iterator[int]:
    """Yield a port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
