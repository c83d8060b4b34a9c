"""Tables of somebody else that are there in another way: what a SELECT gets is served, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conftest import dispose
from tests.support.databases import Database


def test_a_table_with_a_capital_is_there_if_the_database_says_so(
    empty_database: Database, make_app: Callable[..., Flask]
):
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


def is_there(database: Database) -> bool:
    try:
        with database.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM city")) == 1
    except DBAPIError:
        return False
