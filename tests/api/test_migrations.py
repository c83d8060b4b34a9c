"""Migrations as a user runs them: `alembic …` in a process of its own, on every database."""

from __future__ import annotations

import runpy
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from app.extensions import db
from app.schema import KEPT_ANSWERS, MAIN, SCHEMA_HEAD, TABLES, children_first
from config import ROOT
from migrations.lease import LEASE
from migrations.lock import migration_lock
from testkit.databases import Database, administer, alembic, environment, new_database, plain_engine
from testkit.servers import Server
from tests.support.commands import MIGRATE, SEED, Command, the_sentence
from tests.support.rows import a_row
from tests.support.tampering import PASSWORD

# To a command both are one: what differs between them is asked by other tests.
pytestmark = [pytest.mark.long_form("mariadb118"), pytest.mark.tables]


def on(*servers: str) -> pytest.MarkDecorator:
    """Run a test on these alone: what it asks for is found out by SQLAlchemy in the same way everywhere."""
    return pytest.mark.parametrize("server", servers, indirect=True)


CHILDREN_FIRST = children_first(db.metadata.tables.values())
*_, LAST = CHILDREN_FIRST or [""]  # refers to none of the others
OURS = {*TABLES, *KEPT_ANSWERS, "alembic_version"}


def tables(database: Database) -> set[str]:
    with database.connect() as connection:
        return set(inspect(connection).get_table_names())


def run(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run alembic; fail with what it said."""
    done = alembic(database.url, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_up_down_and_up_again(empty_database: Database) -> None:
    run(empty_database, "upgrade", "head")
    assert tables(empty_database) == OURS
    first = columns(empty_database)

    run(empty_database, "downgrade", "base")
    assert tables(empty_database) == {"alembic_version"}

    run(empty_database, "upgrade", "head")
    assert columns(empty_database) == first


def columns(database: Database) -> dict[str, list[tuple[str, str, bool]]]:
    with database.connect() as connection:
        seen = inspect(connection)
        return {
            table: [(column["name"], str(column["type"]), column["nullable"]) for column in seen.get_columns(table)]
            for table in sorted(OURS)
        }


@on("sqlite")
@pytest.mark.parametrize("gone", [CHILDREN_FIRST[:1], list(TABLES)], ids=["one", "all"])
def test_tables_that_are_gone_are_missed(empty_database: Database, gone: list[str]) -> None:
    run(empty_database, "upgrade", "head")
    with empty_database.connect() as connection:
        drop(connection, *gone)

    done = alembic(empty_database.url, "upgrade", "head")

    assert done.returncode == 1
    assert f"there is no table {' and '.join(gone)}; nothing was changed" in done.stderr
    with empty_database.connect() as connection:  # what it says leads out
        drop(connection, *OURS - set(gone))
    run(empty_database, "upgrade", "head")
    assert tables(empty_database) == OURS


def drop(connection: Connection, *names: str) -> None:
    for name in sorted(names, key=[*CHILDREN_FIRST, *KEPT_ANSWERS, "alembic_version"].index):
        connection.execute(text(f"DROP TABLE {name}"))


def test_models_and_migrations_agree(database: Database) -> None:
    done = run(database, "check")

    assert "No new upgrade operations detected" in done.stdout + done.stderr


@on("sqlite")
def test_check_sees_drift(empty_database: Database) -> None:
    """The test above can fail: a column more in the database is found."""
    run(empty_database, "upgrade", "head")
    with empty_database.connect() as connection:
        connection.execute(text(f"ALTER TABLE {MAIN} ADD COLUMN mayor INTEGER"))

    done = alembic(empty_database.url, "check")

    assert done.returncode != 0
    assert "mayor" in done.stdout + done.stderr


def test_keys_do_not_run_out(database: Database) -> None:
    """A SMALLINT would end at 65,535 rows."""
    with database.connect() as connection:
        seen = inspect(connection)
        kinds = {
            column["type"].__visit_name__.upper()
            for table in TABLES
            for column in seen.get_columns(table)
            if column["name"] in seen.get_pk_constraint(table)["constrained_columns"]
        }

    assert kinds
    assert not kinds & {"TINYINT", "SMALLINT", "MEDIUMINT"}


@pytest.mark.long_form("mariadb118", "1", "2")
@pytest.mark.parametrize("attempt", range(3))
def test_two_at_the_same_time_do_not_collide(server: Server, attempt: int) -> None:
    with new_database(server) as database, ThreadPoolExecutor(2) as both:
        ends = [both.submit(alembic, database.url, "upgrade", "head") for _ in range(2)]

        for end in ends:
            assert end.result().returncode == 0, end.result().stdout + end.result().stderr
        assert tables(database) == OURS
        with database.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


@pytest.mark.long_form("mariadb118", "mysql")
def test_one_waits_for_the_lock(empty_database: Database) -> None:
    """The lock is one: who has tables to make waits for it."""
    with migration_lock(plain_engine(empty_database.url)):
        waiting = begin_to_migrate(empty_database.url)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        assert not tables(empty_database) & set(TABLES)

    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 0, said
    assert tables(empty_database) == OURS


@on("mariadb", "postgresql")
def test_who_has_lost_the_lock_has_lost_the_connection_to_migrate_on(empty_database: Database) -> None:
    """So nobody migrates on while the next one begins."""
    engine = plain_engine(empty_database.url)
    is_postgresql = empty_database.name == "postgresql"
    who, end = (
        ("pg_backend_pid()", "SELECT pg_terminate_backend({})") if is_postgresql else ("CONNECTION_ID()", "KILL {}")
    )

    with migration_lock(engine) as connection:
        number = connection.scalar(text(f"SELECT {who}"))
        administer(empty_database.admin_url, end.format(number))
        with migration_lock(engine), pytest.raises(DBAPIError):
            connection.execute(text("CREATE TABLE went_on (id INT)"))

    assert tables(empty_database) == set()


@on("mariadb")
def test_the_lease_of_a_cluster_is_no_drift(empty_database: Database) -> None:
    run(empty_database, "upgrade", "head")
    with empty_database.connect() as connection:
        LEASE.create(connection)

    assert "No new upgrade operations" in run(empty_database, "check").stdout
    run(empty_database, "downgrade", "base")
    assert tables(empty_database) == {"alembic_version", LEASE.name}


def test_a_signal_changes_nothing_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """It comes while another migration is waited for, which is the longest that a command here can take."""
    database_url = f"sqlite:///{tmp_path}/signals.sqlite3"
    with migration_lock(plain_engine(database_url)):
        waiting = begin_to_migrate(database_url)
        waiting.send_signal(signal.SIGTERM)
        _, said = waiting.communicate(timeout=30)

    assert waiting.returncode == 143
    assert said.startswith("Error: interrupted; revisions shown as done stay")
    assert "Traceback" not in said
    assert f"went from base to {SCHEMA_HEAD}" in alembic(database_url, "upgrade", "head").stdout


def begin_to_migrate(url: str) -> subprocess.Popen[str]:
    """Return the command, which has found out that it has something to do."""
    command, pipe = [sys.executable, "-m", "alembic", "upgrade", "head"], subprocess.PIPE
    begun = subprocess.Popen(command, env=environment(url), stdout=pipe, stderr=pipe, text=True)
    assert begun.stdout
    assert "is at base, migrating" in begun.stdout.readline()
    return begun


@pytest.mark.long_form("one")  # the table of keys, below, is one alone
@on("mariadb", "postgresql")
@pytest.mark.parametrize("left", [[LAST], CHILDREN_FIRST], ids=["one", "all"])
def test_tables_that_an_interrupted_migration_left_are_made_anew(empty_database: Database, left: list[str]) -> None:
    """What is there after a kill between two CREATE TABLE, which all but PostgreSQL commit at once."""
    run(empty_database, "upgrade", "head")
    with empty_database.connect() as connection:
        drop(connection, *OURS - {*left, "alembic_version"})
        connection.execute(text("DELETE FROM alembic_version"))

    again = run(empty_database, "upgrade", "head")

    assert f"Dropped what an interrupted migration left, without a row: {', '.join(left)}." in again.stdout
    assert tables(empty_database) == OURS
    assert "No new upgrade operations" in run(empty_database, "check").stdout


def interrupt_the_keys(database: Database) -> str:
    """Leave what an interruption does between the table of keys and the row that says so; return its revision."""
    (file,) = (ROOT / "migrations" / "versions").glob("*_create_idempotency_key.py")
    migration = runpy.run_path(str(file))
    run(database, "upgrade", migration["revision"])
    run(database, "stamp", migration["down_revision"] or "base")
    return str(migration["revision"])


@on("mariadb", "postgresql")
def test_the_table_of_keys_that_an_interrupted_migration_left_is_made_anew(empty_database: Database) -> None:
    revision = interrupt_the_keys(empty_database)

    assert f"to {revision}" in run(empty_database, "upgrade", revision).stdout


@on("sqlite")
def test_nor_is_it_if_it_has_rows(empty_database: Database) -> None:
    revision, keys = interrupt_the_keys(empty_database), db.metadata.tables["idempotency_key"]
    with empty_database.connect() as connection:
        connection.execute(insert(keys), a_row(keys))

    assert alembic(empty_database.url, "upgrade", revision).returncode != 0
    with empty_database.connect() as connection:
        assert connection.execute(select(keys)).first()


@on("mariadb", "postgresql")
def test_tables_with_rows_are_never_dropped(empty_database: Database) -> None:
    run(empty_database, "upgrade", "head")
    with empty_database.connect() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        connection.execute(insert(db.metadata.tables[LAST]), a_row(db.metadata.tables[LAST]))

    done = alembic(empty_database.url, "upgrade", "head")

    assert done.returncode != 0
    assert "nothing was changed" in done.stderr
    with empty_database.connect() as connection:
        assert connection.scalar(text(f"SELECT count(*) FROM {LAST}")) == 1


def test_at_head_nothing_waits_for_the_lock(database: Database) -> None:
    with migration_lock(plain_engine(database.url)):
        begun = time.monotonic()
        done = run(database, "upgrade", "head")

    assert time.monotonic() - begun < 20
    assert "nothing to do" in done.stdout + done.stderr


@pytest.mark.long_form("mariadb118", "mysql")
@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_what_somebody_else_has_of_our_names_is_refused(empty_database: Database, kind: str) -> None:
    with empty_database.connect() as connection:
        connection.execute(text(f"CREATE {kind} {MAIN} AS SELECT 7 AS {TABLES[MAIN]}"))

    done = alembic(empty_database.url, "upgrade", "head")

    assert done.returncode != 0
    assert f"has {MAIN} already" in done.stderr
    assert "nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    assert tables(empty_database) == ({MAIN} if kind == "TABLE" else set())
    with empty_database.connect() as connection:
        assert connection.execute(text(f"SELECT * FROM {MAIN}")).all() == [(7,)]


@on("sqlite")
def test_stamp_records_what_is_there_after_an_interruption(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        connection.execute(text(f"CREATE TABLE {LAST} ({TABLES[LAST]} INT PRIMARY KEY)"))

    done = alembic(empty_database.url, "stamp", "head")

    assert done.returncode == 0, done.stderr
    assert f"went from base to {SCHEMA_HEAD}" in done.stdout


@on("sqlite")
def test_sql_mode_is_refused_with_a_sentence(empty_database: Database) -> None:
    done = alembic(empty_database.url, "upgrade", "head", "--sql")

    assert done.returncode != 0
    assert "--sql is not supported" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("kind", "command"), [("mysql", MIGRATE), ("mysql", SEED), ("postgresql", SEED)])
def test_a_server_that_is_away_is_one_sentence(kind: str, command: Command) -> None:
    assert "cannot be reached" in the_sentence(f"{kind}://somebody:{PASSWORD}@127.0.0.1:1/sakila", command)
