"""Tables of somebody else that are there in another way: what a SELECT gets is served, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from testkit.databases import Database, new_database
from tests.conftest import dispose, obtain_or_skip
from tests.support.problems import assert_problem


def test_without_tables_it_is_unavailable_and_operators_are_told_what_to_do(
    empty_database: Database, make_app: Callable[..., Flask], capfd: pytest.CaptureFixture[str]
) -> None:
    with empty_database.connect():  # a SQLite file must be there
        pass
    client = make_app(DATABASE_URL=empty_database.url).test_client()

    assert_problem(client.get("/?city=London", headers={"Accept": "application/json"}), 503, "schema-missing")
    assert "./run migrate" in capfd.readouterr().err


def test_a_table_with_a_capital_is_there_if_the_database_says_so(
    empty_database: Database, make_app: Callable[..., Flask]
) -> None:
    with empty_database.connect() as connection:
        quote = connection.dialect.identifier_preparer.quote
        for statement in (
            f"CREATE TABLE {quote('Country')} (country_id INTEGER PRIMARY KEY, country VARCHAR(50))",
            f"CREATE TABLE {quote('City')} (city_id INTEGER PRIMARY KEY, city VARCHAR(50), country_id INTEGER)",
            f"INSERT INTO {quote('Country')} VALUES (1, 'Utopia')",
            f"INSERT INTO {quote('City')} VALUES (7, 'Amaurot', 1)",
        ):
            connection.execute(text(statement))

    app = make_app(DATABASE_URL=empty_database.url)
    response = app.test_client().get("/?city=amaurot")
    dispose(app)

    assert response.text == (
        'City "amaurot" is #7\n' if is_there(empty_database) else "The database has no tables yet. Try again later.\n"
    )


@pytest.mark.parametrize("table", ["city", "country"])
@pytest.mark.parametrize("kind", ["VARBINARY(50)", "BINARY(7)", "BLOB"])
def test_names_kept_as_bytes_are_set_up_wrong(
    request: pytest.FixtureRequest,
    make_app: Callable[..., Flask],
    capfd: pytest.CaptureFixture[str],
    table: str,
    kind: str,
) -> None:
    with new_database(obtain_or_skip(request.config, "mariadb")) as made:
        types = {"city": "VARCHAR(50)", "country": "VARCHAR(50)", table: kind}
        with made.connect() as connection:
            for statement in (
                f"CREATE TABLE country (country_id INTEGER PRIMARY KEY, country {types['country']})",
                f"CREATE TABLE city (city_id INTEGER PRIMARY KEY, city {types['city']}, country_id INTEGER)",
                "INSERT INTO country VALUES (1, 'Utopia')",
                "INSERT INTO city VALUES (7, 'Amaurot', 1)",
            ):
                connection.execute(text(statement))
        app = make_app(DATABASE_URL=made.url)
        for path in ("/?city=amaurot", "/api/v1/cities?prefix=a", "/api/v1/cities/7", "/api/v1/countries"):
            answer = app.test_client().get(path, headers={"Accept": "application/json"})
            assert_problem(answer, 503, "database-misconfigured")
        dispose(app)

    assert f"the column {table}.{table} does not hold text" in capfd.readouterr().err


def is_there(database: Database) -> bool:
    try:
        with database.connect() as connection:
            return bool(connection.scalar(text("SELECT count(*) FROM city")) == 1)
    except DBAPIError:
        return False
