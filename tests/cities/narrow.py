"""Databases of ours whose character set lacks most characters."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from testkit.databases import Database, administer, alembic, new_database
from testkit.servers import Server

CONVERTED = (
    "ALTER TABLE city MODIFY city VARCHAR(50) CHARACTER SET latin1 NOT NULL, "
    "MODIFY city_key VARCHAR(150) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL"
)


@contextmanager
def narrow_database(server: Server, encoding: str, migrated: bool = True) -> Iterator[Database]:
    """Yield a database with our tables, or with none, in that encoding; on MySQL and MariaDB cities are in latin1."""
    if server.name != "postgresql":
        with new_database(server) as made:
            migrate(made)
            with made.connect() as connection:
                connection.execute(text(CONVERTED))
            yield made
        return
    name, admin = f"narrow_{secrets.token_hex(4)}", server.url.render_as_string(hide_password=False)
    administer(admin, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    url = server.url.set(database=name).render_as_string(hide_password=False)
    made = Database(server.name, url, admin, server)
    if migrated:
        migrate(made)
    yield made
    administer(admin, f"DROP DATABASE {name} WITH (FORCE)")


def migrate(database: Database) -> None:
    done = alembic(database.url, "upgrade", "head")
    assert done.returncode == 0, done.stderr
