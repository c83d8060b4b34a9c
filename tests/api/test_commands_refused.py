"""migrate and seed where the database says no: one sentence, exit code 1, and nothing half done."""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit.databases import Database, new_database
from testkit.servers import Server
from tests.api.test_doctor_refused import BY, user
from tests.support.commands import MIGRATE, SEED, Command, the_sentence
from tests.support.tampering import PASSWORD, preset


@pytest.mark.tables
@pytest.mark.parametrize("server", ["mariadb", "mysql", "postgresql"], indirect=True)
def test_a_user_who_may_not_make_tables(server: Server) -> None:
    is_postgresql = server.name == "postgresql"
    how = f"WITH PASSWORD '{PASSWORD}'" if is_postgresql else BY
    more = () if is_postgresql else ("GRANT SELECT ON {database}.* TO {user}",)
    with new_database(server) as database, user(database, how, *more) as url:
        said = the_sentence(url, MIGRATE)

    assert "the database refuses: " in said
    assert "GRANT" in said


@pytest.mark.tables
@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_a_migration_on_a_postgresql_that_takes_no_writes(empty_database: Database) -> None:
    with preset(empty_database, "default_transaction_read_only", "on"):
        assert "point DATABASE_URL at the primary server" in the_sentence(empty_database.url, MIGRATE)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_text("A letter.\n" * 500)

    for command in (MIGRATE, SEED):
        assert "file is not a database" in the_sentence(f"sqlite:///{tmp_path}/x.sqlite3", command)


@pytest.mark.tables
def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3.migrating").mkdir()

    said = the_sentence(f"sqlite:///{tmp_path}/x.sqlite3", MIGRATE)

    assert "cannot be migrated: " in said


@pytest.mark.parametrize(("server", "command"), [("mysql", MIGRATE), ("postgresql", SEED)], indirect=["server"])
def test_a_wrong_password_is_no_server_that_is_away(server: Server, command: Command) -> None:
    wrong = server.url.set(password=PASSWORD, database=server.url.database or "mysql")

    said = the_sentence(wrong.render_as_string(hide_password=False), command)

    assert "cannot be reached" not in said
    assert "correct user and password in DATABASE_URL" in said


def test_who_looks_for_something_sees_the_traceback(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_text("A letter.\n" * 500)

    for program, *arguments in (MIGRATE, SEED):
        done = program(f"sqlite:///{tmp_path}/x.sqlite3", *arguments, LOG_LEVEL="DEBUG", LOG_FORMAT="pretty")

        assert done.returncode == 1
        assert "DatabaseError" in done.stderr
        assert "Traceback" in done.stderr
