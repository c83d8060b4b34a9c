"""doctor on the tables of cities: their index, and a Sakila that has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from tests.support.databases import Database

Doctor = Callable[..., dict[str, Any]]


def test_the_index_of_the_lookup_is_found(database: Database, doctor: Doctor):
    assert doctor(database.url)["index"]["text"] == "ix_city_key on city_key"


def test_no_tables_have_no_index(empty_database: Database, doctor: Doctor):
    with empty_database.connect():  # a SQLite file must be there
        pass

    assert doctor(empty_database.url)["index"]["level"] == "not checked"


def test_a_sakila_of_somebody_else(empty_database: Database, doctor: Doctor):
    with empty_database.connect() as connection:
        connection.execute(text("CREATE TABLE city (city_id INT, city VARCHAR(50), country_id INT)"))
        connection.execute(text("CREATE TABLE country (country_id INT, country VARCHAR(50))"))
    lines = doctor(empty_database.url)

    assert (lines["migrations"]["level"], lines["index"]["level"], lines["exit"]) == ("ok", "warning", 1)
    assert "no city_key in this table city" in lines["index"]["text"]


def test_an_index_that_was_dropped(served: Database, doctor: Doctor):
    of = "" if served.name == "postgresql" else " ON city"
    with served.connect() as connection:
        connection.execute(text(f"DROP INDEX ix_city_key{of}"))
    lines = doctor(served.url)
    with served.connect() as connection:
        connection.execute(text(lines["index"]["remedy"]))

    assert (lines["index"]["level"], lines["exit"]) == ("problem", 2)
    assert doctor(served.url)["index"]["level"] == "ok", "the remedy is one"
