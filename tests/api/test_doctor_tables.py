"""doctor on what real databases have and how they are set up: where it is not as it should be."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from app.schema import TABLES
from testkit.databases import Database, administer
from tests.support.tampering import globally, max_connections, preset

# To doctor both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")

Doctor = Callable[..., dict[str, Any]]
Migrated = Callable[[str], Database]


class TestCharset:
    def test_a_connection_that_cannot_carry_every_name(
        self, migrated: Migrated, doctor: Doctor, tmp_path: Path
    ) -> None:
        (tmp_path / "my.cnf").write_text("[client]\ndefault-character-set = latin1\n")
        lines = doctor(f"{migrated('mariadb').url}?read_default_file={tmp_path}/my.cnf")

        assert (lines["charset"]["level"], lines["exit"]) == ("problem", 2)
        assert "latin1, not utf8mb4" in lines["charset"]["text"]

    @pytest.mark.tables
    def test_a_table_that_cannot_hold_every_name(self, mysql_like: Database, doctor: Doctor) -> None:
        *_, table = TABLES
        with mysql_like.connect() as connection:
            connection.execute(text(f"ALTER TABLE {table} CONVERT TO CHARACTER SET latin1"))
        lines = doctor(mysql_like.url)
        with mysql_like.connect() as connection:
            connection.execute(text(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4"))

        assert (lines["charset"]["level"], lines["exit"]) == ("warning", 1)
        assert f"{table} is in latin1" in lines["charset"]["text"]

    def test_a_database_of_postgresql_in_latin1(self, postgresql: Database, doctor: Doctor) -> None:
        name = f"doctor_{secrets.token_hex(4)}"
        administer(postgresql.admin_url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        try:
            lines = doctor(make_url(postgresql.url).set(database=name).render_as_string(hide_password=False))
        finally:
            administer(postgresql.admin_url, f"DROP DATABASE {name} WITH (FORCE)")

        assert "LATIN1, not UTF8" in lines["charset"]["text"]


@pytest.mark.tables
class TestTables:
    @pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
    def test_none_at_all(self, empty_database: Database, doctor: Doctor) -> None:
        with empty_database.connect():  # a SQLite file must be there
            pass
        lines = doctor(empty_database.url)

        assert (lines["migrations"]["level"], lines["exit"]) == ("problem", 2)
        assert lines["migrations"]["remedy"] == "./run migrate and ./run seed"
        assert lines["privileges"]["level"] == "not checked"

    @pytest.mark.parametrize(
        ("version", "level", "remedy"),
        [("0000", "problem", "./run migrate"), ("9999", "warning", "deploy the code that belongs to it")],
    )
    def test_another_version(self, postgresql: Database, doctor: Doctor, version: str, level: str, remedy: str) -> None:
        with postgresql.connect() as connection:
            before = connection.scalar(text("SELECT version_num FROM alembic_version"))
            connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
        lines = doctor(postgresql.url)
        with postgresql.connect() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": before})

        assert (lines["migrations"]["level"], lines["migrations"]["remedy"]) == (level, remedy)


class TestLimits:
    def test_a_server_that_hangs_up_early(self, mysql_like: Database, doctor: Doctor) -> None:
        with globally(mysql_like, "wait_timeout", 25):
            lines = doctor(mysql_like.url)

        assert (lines["wait_timeout"]["level"], lines["exit"]) == ("warning", 1)
        assert "wait_timeout 25 s is below POOL_RECYCLE_SECONDS=1800" in lines["wait_timeout"]["text"]
        assert "POOL_PING_AFTER_SECONDS=30" in lines["wait_timeout"]["text"]

    def test_a_postgresql_that_hangs_up_early(self, postgresql: Database, doctor: Doctor) -> None:
        with preset(postgresql, "idle_session_timeout", "60s"):
            lines = doctor(postgresql.url)

        assert lines["wait_timeout"]["level"] == "warning"
        assert "idle_session_timeout 60 s is below" in lines["wait_timeout"]["text"]

    def test_a_server_that_is_too_small(self, mysql_like: Database, doctor: Doctor) -> None:
        with max_connections(mysql_like, 24):
            while_reloading = doctor(mysql_like.url)
        with max_connections(mysql_like, 14):
            always = doctor(mysql_like.url)

        assert (while_reloading["budget"]["level"], always["budget"]["level"]) == ("warning", "problem")
        assert "allows 24 connections (max_connections)" in while_reloading["budget"]["text"]
        assert "raise max_connections by 11" in always["budget"]["remedy"]


def test_tls_that_is_there(doctor: Doctor, mysql_like: Database) -> None:
    tls = doctor(mysql_like.url)["tls"]

    assert tls["level"] == "ok"
    assert tls["text"].startswith("TLS_" if mysql_like.name == "mysql" else ("TLS_", "not encrypted"))
