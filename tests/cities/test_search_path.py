"""PostgreSQL with several schemas: what is served is what a SELECT without a schema gets, wherever it lies."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url, text

from testkit.databases import Database, administer, alembic, flask, migrate_and_seed, new_database
from tests.cities import sakila as cities
from tests.conftest import dispose, obtain_or_skip
from tests.support.problems import assert_problem

Doctor = Callable[..., dict[str, Any]]
SAKILA = (
    "CREATE TABLE country (country_id SERIAL PRIMARY KEY, country TEXT NOT NULL)",
    "CREATE TABLE city (city_id SERIAL PRIMARY KEY, city TEXT NOT NULL, country_id INT NOT NULL)",
)


@pytest.fixture(params=["postgresql"])
def shared(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database where the administrator has the schema public."""
    with new_database(obtain_or_skip(request.config, request.param)) as made:
        yield made


@pytest.fixture
def tenant(shared: Database) -> Iterator[Database]:
    """The same for a role whose own schema comes first in its search_path and may be all that it writes to."""
    role, password = f"tenant_{secrets.token_hex(4)}", secrets.token_hex(8)
    with shared.connect() as connection:
        for statement in (
            f"CREATE ROLE {role} LOGIN PASSWORD '{password}'",
            f"CREATE SCHEMA {role} AUTHORIZATION {role}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}",
        ):
            connection.execute(text(statement))
    url = make_url(shared.url).set(username=role, password=password).render_as_string(hide_password=False)
    yield Database(shared.name, url, shared.admin_url, shared.server)
    administer(shared.url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def make_sakila(database: Database, *statements: str, filled: bool = True) -> None:
    with database.connect() as connection:
        for statement in SAKILA:
            connection.execute(text(statement))
        for table in ("country", "city") if filled else ():
            columns = ("country_id", "country") if table == "country" else ("city_id", "city", "country_id")
            values = ", ".join(f"CAST(:{each} AS INT)" if each.endswith("_id") else f":{each}" for each in columns)
            ask = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"
            connection.execute(text(ask), cities.rows(table))
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def ask(tenant: Database, make_app: Callable[..., Flask]) -> Iterator[Callable[..., Any]]:
    app = make_app(DATABASE_URL=tenant.url)
    yield app.test_client().get
    dispose(app)


def tables_of(tenant: Database) -> set[str]:
    role = make_url(tenant.url).username
    with tenant.connect() as connection:
        return set(connection.scalars(text(f"SELECT tablename FROM pg_tables WHERE schemaname = '{role}'")))


def test_a_sakila_in_public_is_served_and_not_hidden_by_a_migration(
    shared: Database, tenant: Database, ask: Callable[..., Any], doctor: Doctor
) -> None:
    make_sakila(shared)

    assert ask("/?city=LONDON").text == 'City "LONDON" is #312\n'
    assert ask("/readyz").json["schema"] == "unmanaged"
    lines = doctor(tenant.url)
    assert lines["migrations"]["text"] == "tables that somebody else made, served as they are"
    assert "no city_key in this table city" in lines["index"]["text"]

    for done in (alembic(tenant.url, "upgrade", "head"), flask(tenant.url, "seed")):
        assert done.returncode != 0
        assert "nothing was changed" in done.stderr
    assert tables_of(tenant) == set()


def test_our_own_tables_in_public_are_known(
    shared: Database, tenant: Database, ask: Callable[..., Any], doctor: Doctor
) -> None:
    migrate_and_seed(shared.url)

    assert ask("/?city=são leopoldo").text.endswith("#486\n")
    assert ask("/readyz").json["schema"] == "current"
    assert doctor(tenant.url)["index"]["text"] == "ix_city_key on city_key"
    assert "nothing to do" in alembic(tenant.url, "upgrade", "head").stdout


def test_the_first_of_two_is_the_one_that_counts(shared: Database, tenant: Database, ask: Callable[..., Any]) -> None:
    make_sakila(shared)
    make_sakila(tenant, "DELETE FROM city WHERE city_id = 312")

    assert ask("/?city=London").text == 'City "London" is #313\n'


def test_empty_tables_of_somebody_else_are_not_dropped(shared: Database, tenant: Database) -> None:
    """The role has a version table, as an interrupted migration leaves it; the tables do not belong to it."""
    make_sakila(shared, f"GRANT ALL ON city, country TO {make_url(tenant.url).username}", filled=False)
    with tenant.connect() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))

    done = alembic(tenant.url, "upgrade", "head")

    assert done.returncode != 0
    assert "nothing was changed" in done.stderr
    assert tables_of(tenant) == {"alembic_version"}


def test_what_may_not_be_read_is_not_there(shared: Database, tenant: Database, ask: Callable[..., Any]) -> None:
    make_sakila(shared, f"REVOKE ALL ON city, country FROM {make_url(tenant.url).username}")

    assert_problem(ask("/?city=London", headers={"Accept": "application/json"}), 503, "schema-missing")
    done = alembic(tenant.url, "upgrade", "head")
    assert "nothing was changed" in done.stderr
    assert tables_of(tenant) == set()


def test_views_are_tables(shared: Database, tenant: Database, ask: Callable[..., Any], doctor: Doctor) -> None:
    make_sakila(shared)
    with shared.connect() as connection:
        for statement in (
            "CREATE SCHEMA apart",
            "ALTER TABLE city SET SCHEMA apart",
            "CREATE VIEW city AS SELECT city_id, upper(city) AS city, country_id FROM apart.city",
        ):
            connection.execute(text(statement))

    assert ask("/?city=london").text == 'City "london" is #312\n'
    assert doctor(tenant.url)["index"]["level"] == "warning"
