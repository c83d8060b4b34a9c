"""seed and load where the database says no: one sentence, exit code 1, and nothing half done."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from testkit.databases import Database, alembic, flask, plain_engine
from tests.api.test_doctor_refused import BY, EVERYTHING, user
from tests.support.commands import SEED, Command, the_sentence
from tests.support.tampering import PASSWORD, globally, preset, user_who_may

# To a command both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")

LOAD: Command = (flask, "load", "--synthetic", "700")


@pytest.mark.parametrize("command", [SEED, LOAD])
def test_a_user_who_may_only_read(served: Database, command: Command) -> None:
    with user_who_may(served, "SELECT") as url:
        said = the_sentence(emptied(served, url, command), command)

    assert "the database refuses: " in said
    assert "denied" in said
    assert "GRANT the user in DATABASE_URL what it asks for" in said


def emptied(database: Database, url: str, command: Command) -> str:
    if command is SEED:
        with database.connect() as connection:
            connection.execute(text("DELETE FROM city WHERE city_id = 1"))
            connection.execute(text("DELETE FROM city"))
            connection.execute(text("DELETE FROM country"))
    else:
        assert flask(database.url, "seed").returncode == 0
    return url


@pytest.mark.parametrize("command", [SEED, LOAD])
def test_a_server_that_takes_no_writes(mysql_like: Database, command: Command) -> None:
    with user(mysql_like, BY, EVERYTHING) as url:
        emptied(mysql_like, url, command)
        with globally(mysql_like, "read_only", 1):
            said = the_sentence(url, command)

    assert "cannot be reached" not in said
    assert "point DATABASE_URL at the primary server" in said


@pytest.mark.parametrize("command", [SEED, LOAD])
def test_a_postgresql_that_takes_no_writes(postgresql: Database, command: Command) -> None:
    emptied(postgresql, "", command)
    with preset(postgresql, "default_transaction_read_only", "on"):
        said = the_sentence(postgresql.url, command)

    assert "point DATABASE_URL at the primary server" in said


@pytest.mark.parametrize("command", [SEED, LOAD])
def test_a_column_that_somebody_took_away(empty_database: Database, command: Command) -> None:
    assert alembic(empty_database.url, "upgrade", "head").returncode == 0
    assert flask(empty_database.url, "seed").returncode == 0
    with plain_engine(empty_database.url).begin() as connection:
        connection.execute(text("ALTER TABLE city RENAME COLUMN city_key TO folded"))

    said = the_sentence(empty_database.url, command)

    assert said.startswith("Error: the database refuses: ")


@pytest.mark.parametrize("command", [SEED, LOAD])
def test_a_file_that_may_only_be_read(tmp_path: Path, command: Command) -> None:
    url = f"sqlite:///{tmp_path}/x.sqlite3"
    assert alembic(url, "upgrade", "head").returncode == 0
    if command is LOAD:
        assert flask(url, "seed").returncode == 0

    said = the_sentence(f"{url}?mode=ro", command)

    assert "make file and folder writable" in said


@pytest.mark.parametrize("command", [LOAD])
def test_a_wrong_password_is_no_server_that_is_away(served: Database, command: Command) -> None:
    url = make_url(served.url).set(password=PASSWORD).render_as_string(hide_password=False)

    said = the_sentence(url, command)

    assert "cannot be reached" not in said
    assert "correct user and password in DATABASE_URL" in said
