"""seed and load where the database says no: one sentence, exit code 1, and nothing half done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from testkit.databases import Database, alembic, flask, plain_engine
from testkit.servers import Server
from tests.api.test_doctor_refused import BY, EVERYTHING, user
from tests.support.commands import SEED, Command, the_sentence
from tests.support.tampering import globally, preset, user_who_may

# To a command both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")

Migrated = Callable[[str], Database]

LOAD: Command = (flask, "load", "--synthetic", "700")


def test_a_user_who_may_only_read(served: Database) -> None:
    # MariaDB lets this user lock rows, and seed sees that all of them are there.
    commands = [LOAD] if served.name.startswith("mariadb") else [LOAD, SEED]
    with user_who_may(served, "SELECT") as url:
        told = [the_sentence(url, command) for command in commands]

    for said in told:
        assert "the database refuses: " in said
        assert "denied" in said
        assert "GRANT the user in DATABASE_URL what it asks for" in said


def test_a_server_that_takes_no_writes(mysql_like: Database) -> None:
    with user(mysql_like, BY, EVERYTHING) as url, globally(mysql_like, "read_only", 1):
        said = the_sentence(url, LOAD)

    assert "cannot be reached" not in said
    assert "point DATABASE_URL at the primary server" in said


def test_a_postgresql_that_takes_no_writes(postgresql: Database) -> None:
    with preset(postgresql, "default_transaction_read_only", "on"):
        said = the_sentence(postgresql.url, LOAD)

    assert "point DATABASE_URL at the primary server" in said


@pytest.mark.parametrize("command", [SEED, LOAD])
def test_a_column_that_somebody_took_away(server: Server, migrated: Migrated, command: Command) -> None:
    engine = plain_engine(migrated(server.name).url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE city RENAME COLUMN city_key TO folded"))
    said = the_sentence(migrated(server.name).url, command)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE city RENAME COLUMN folded TO city_key"))

    assert said.startswith("Error: the database refuses: ")


def test_a_file_that_may_only_be_read(migrated: Migrated, tmp_path: Path) -> None:
    empty = f"sqlite:///{tmp_path}/x.sqlite3"
    assert alembic(empty, "upgrade", "head").returncode == 0

    for url, command in ((empty, SEED), (migrated("sqlite").url, LOAD)):
        assert "make file and folder writable" in the_sentence(f"{url}?mode=ro", command)
