"""doctor on real databases: each line where all is well, and where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from app.commands import checks
from app.schema import KEPT_ANSWERS, MAIN, TABLES
from testkit.databases import Database, alembic, flask, plain_engine
from tests.support.tampering import PASSWORD, deaf_server, globally, preset, user_who_may

ASKED = ["tls", "privileges", "charset", "index", "wait_timeout", "migrations"]
LINES = ["settings", "reader", "writer", *ASKED, "threads", "budget", "instances", "lag"]

Doctor = Callable[..., dict[str, Any]]


PRODUCTS = {"sqlite": "SQLite ", "mariadb": "MariaDB ", "mariadb118": "MariaDB 11.8", "mysql": "MySQL "}


def rows(database: Database) -> int:
    with plain_engine(database.url).connect() as connection:
        return int(connection.scalar(text(f"SELECT count(*) FROM {MAIN}")) if MAIN else 1)


def test_where_all_is_well_each_line_says_so_and_nothing_is_changed(database: Database, doctor: Doctor) -> None:
    before = rows(database)

    lines = doctor(database.url)
    code, shown = lines.pop("exit"), lines.pop("shown")

    assert code == 0
    assert [(name, line["level"]) for name, line in lines.items()] == [(name, "ok") for name in LINES]
    assert not database.password or database.password not in shown
    assert lines["reader"]["text"].startswith(PRODUCTS.get(database.name, "PostgreSQL "))
    assert " answered in " in lines["writer"]["text"]
    assert lines["charset"]["text"].lower().replace("-", "").startswith("utf8")
    assert rows(database) == before


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_without_a_wish_for_an_index_all_is_well(
    database: Database, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "INDEXES", {})

    lines = doctor(database.url)

    assert (lines["index"]["text"], lines["exit"]) == ("none is wanted", 0)


@pytest.mark.long_form("mariadb118")
def test_another_driver(mysql_like: Database, doctor: Doctor) -> None:
    url = make_url(mysql_like.url).set(drivername="mysql+mysqlconnector").render_as_string(hide_password=False)

    assert doctor(url)["exit"] == 0


@pytest.mark.long_form("mariadb118")
class TestAway:
    @pytest.mark.parametrize("kind", ["mysql", "postgresql"])
    def test_a_database_that_is_down_is_the_problem_and_the_rest_is_not_checked(
        self, doctor: Doctor, kind: str
    ) -> None:
        with deaf_server() as port:
            pass

        lines = doctor(f"{kind}://u:{PASSWORD}@127.0.0.1:{port}/d")

        assert lines["exit"] == 2
        assert lines["reader"]["level"] == lines["writer"]["level"] == "problem"
        assert lines["writer"]["remedy"] == "start the server, or correct host and port in DATABASE_URL"
        assert {name for name in LINES if lines[name]["level"] == "not checked"} == {
            *ASKED,
            "budget",
            "instances",
            "lag",
        }
        assert PASSWORD not in lines["shown"]

    @pytest.mark.long_form("mysql+mysqlconnector", "postgresql")
    @pytest.mark.parametrize("kind", ["mysql", "postgresql", "mysql+mysqlconnector"])
    def test_a_deaf_database_is_waited_for_five_seconds(self, doctor: Doctor, kind: str) -> None:
        with deaf_server() as port:
            began = time.monotonic()
            lines = doctor(f"{kind}://u:{PASSWORD}@127.0.0.1:{port}/d")
            took = time.monotonic() - began

        assert lines["exit"] == 2
        assert lines["reader"]["level"] == "problem"
        assert took < 6, "five seconds is the promise; one more for a busy machine"

    def test_a_replica_that_is_down_leaves_the_writer_ok(self, postgresql: Database, doctor: Doctor) -> None:
        with deaf_server() as port:
            pass
        away = make_url(postgresql.url).set(port=port).render_as_string(hide_password=False)

        lines = doctor(postgresql.url, DATABASE_READ_URL=away)

        assert (lines["reader"]["level"], lines["writer"]["level"], lines["exit"]) == ("problem", "ok", 2)
        assert lines["migrations"]["text"] == "reader: the database was not reached; writer: current"

    @pytest.mark.parametrize(
        ("wrong", "remedy"),
        [
            ({"password": PASSWORD}, "correct user and password in DATABASE_URL"),
            ({"database": "nowhere"}, "create the database, or correct its name in DATABASE_URL"),
        ],
    )
    def test_what_the_server_refuses(
        self, served: Database, doctor: Doctor, wrong: dict[str, Any], remedy: str
    ) -> None:
        lines = doctor(make_url(served.url).set(**wrong).render_as_string(hide_password=False))

        assert lines["writer"]["level"] == "problem"
        assert lines["writer"]["remedy"].startswith(remedy)
        assert PASSWORD not in lines["shown"]

    def test_a_file_that_is_not_there_is_not_made(self, doctor: Doctor, tmp_path: Path) -> None:
        lines = doctor(f"sqlite:///{tmp_path}/x.sqlite3")

        assert lines["exit"] == 2
        assert "./run serve makes" in lines["writer"]["remedy"]
        assert list(tmp_path.iterdir()) == []


@pytest.mark.long_form("mariadb118")
@pytest.mark.tables
class TestPrivileges:
    def test_a_user_who_may_only_read(self, served: Database, doctor: Doctor) -> None:
        with user_who_may(served, "SELECT") as url:
            lines = doctor(url)

        assert (lines["privileges"]["level"], lines["exit"]) == ("warning", 1)
        assert f"reader: may SELECT; writer: may not INSERT ON {MAIN}" in lines["privileges"]["text"]
        assert lines["privileges"]["remedy"].startswith(f"GRANT INSERT ON {MAIN}, UPDATE ON {MAIN}, DELETE ON {MAIN}")
        assert lines["migrations"]["level"] == "ok"

    def test_a_reader_who_may_not_read_a_table(self, served: Database, doctor: Doctor) -> None:
        with user_who_may(served, "INSERT") as url:
            lines = doctor(served.url, DATABASE_READ_URL=url)

        assert (lines["privileges"]["level"], lines["exit"]) == ("problem", 2)
        rights = ", ".join(f"SELECT ON {table}" for table in TABLES)
        assert f"GRANT {rights} to the reader's user" in lines["privileges"]["remedy"]

    def test_a_writer_who_may_not_keep_answers(self, served: Database, doctor: Doctor) -> None:
        rights = {**dict.fromkeys(TABLES, "SELECT, INSERT, UPDATE, DELETE"), "alembic_version": "SELECT"}
        with user_who_may(served, rights) as url:
            lines = doctor(url)

        missing = ", ".join(f"{right} ON {table}" for table in KEPT_ANSWERS for right in ("INSERT", "UPDATE", "DELETE"))
        assert lines["privileges"]["remedy"] == f"GRANT {missing} to the writer's user"

    def test_a_writer_that_is_a_replica(self, mysql_like: Database, doctor: Doctor) -> None:
        with user_who_may(mysql_like, "SELECT, INSERT, UPDATE, DELETE") as url, globally(mysql_like, "read_only", 1):
            lines = doctor(url)

        assert lines["privileges"]["level"] == "problem"
        assert "is read-only" in lines["privileges"]["text"]
        assert "primary" in lines["privileges"]["remedy"]

    def test_a_writer_of_postgresql_that_is_read_only(self, postgresql: Database, doctor: Doctor) -> None:
        with preset(postgresql, "default_transaction_read_only", "on"):
            lines = doctor(postgresql.url)

        assert lines["privileges"]["level"] == "problem"
        assert "is read-only" in lines["privileges"]["text"]

    def test_a_file_that_may_only_be_read(self, file: str, doctor: Doctor) -> None:
        lines = doctor(f"{file}?mode=ro")

        assert lines["privileges"]["level"] == "problem"
        assert "mode=ro" in lines["privileges"]["remedy"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated SQLite file."""
    url = f"sqlite:///{tmp_path_factory.mktemp('doctor')}/x.sqlite3"
    assert alembic(url, "upgrade", "head").returncode == 0
    return url


def test_settings_that_cannot_be_loaded() -> None:
    done = flask(f"mysql://u:{PASSWORD}@127.0.0.1/d", "doctor", "--json", POOL_SIZE="banana", PORT="0")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("2 settings cannot be used:\n  POOL_SIZE='banana'")
    assert PASSWORD not in done.stderr
