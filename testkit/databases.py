"""Databases of the tests' own on a server: made, migrated and seeded by the real commands, and dropped."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import URL, Connection, Engine, MetaData, NullPool, create_engine, make_url, text

from testkit import commands
from testkit.servers import Server

PREFIX = "flask_sakila_test_"


@dataclass(frozen=True)
class Database:
    """One database: its kind, the address for the application, and the server it is on."""

    name: str
    url: str = field(repr=False)
    admin_url: str = field(repr=False)
    server: Server = field(repr=False)

    @property
    def password(self) -> str | None:
        """The password in the address, None for SQLite."""
        return make_url(self.url).password

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Return a connection that is not the application's, in a transaction that is committed at the end."""
        engine = plain_engine(self.url)
        with engine.begin() as connection:
            yield connection


def plain_engine(url: str | URL) -> Engine:
    """Return an engine with SQLAlchemy's defaults and no pool."""
    return create_engine(url, poolclass=NullPool)


@contextmanager
def new_database(server: Server) -> Iterator[Database]:
    """Yield a database that nobody else has, without a table, and drop it afterwards."""
    name = PREFIX + secrets.token_hex(6)
    if server.name == "sqlite":
        assert server.folder
        path = server.folder / f"{name}.sqlite3"
        url = f"sqlite:///{path}"
        yield Database("sqlite", url, url, server)
        for file in server.folder.glob(f"{path.name}*"):
            file.unlink()
        return
    admin = server.url.render_as_string(hide_password=False)
    # Not the server's default character set: an old one knows no š, and Sakila has it.
    as_utf8 = "TEMPLATE template0 ENCODING 'UTF8'" if server.name == "postgresql" else "CHARACTER SET utf8mb4"
    administer(admin, f"CREATE DATABASE {name} {as_utf8}")
    try:
        url = server.url.set(database=name).render_as_string(hide_password=False)
        yield Database(server.name, url, admin, server)
    finally:
        administer(admin, f"DROP DATABASE {name}" + (" WITH (FORCE)" if server.name == "postgresql" else ""))


@contextmanager
def database_with(server: Server, tables: MetaData) -> Iterator[Database]:
    """Return a migrated database that has these tables besides; it is gone at the end."""
    with new_database(server) as made:
        assert alembic(made.url, "upgrade", "head").returncode == 0
        with made.connect() as connection:
            tables.create_all(connection)
        yield made


def administer(url: str | URL, *statements: str) -> None:
    """Run statements that allow no transaction around them."""
    with plain_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))


def environment(url: str, **more: str) -> dict[str, str]:
    """Return what a command needs in its environment to use this database, and none of the user's own settings."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
    kept_values = {name: os.environ[name] for name in kept if name in os.environ}
    # No .env of the user's either, in whatever folder it is.
    return {**kept_values, "DATABASE_URL": url, "PYTHONUNBUFFERED": "1", "FLASK_SKIP_DOTENV": "1", **more}


def alembic(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `alembic …` on this database as a user would; whether it went well is for the caller to see."""
    return commands.run("alembic", *arguments, env=environment(url, **more))


def flask(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `flask …` on this database as a user would."""
    return commands.run("flask", "--app", "wsgi", *arguments, env=environment(url, **more))


def migrate_and_seed(url: str) -> None:
    """Make the tables and fill them with the application's own commands."""
    for done in (alembic(url, "upgrade", "head"), flask(url, "seed")):
        assert done.returncode == 0, f"{done.args}\n{done.stdout}{done.stderr}"
