"""doctor on the tables of cities: their index, and a Sakila that has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import make_url, text

from testkit.databases import Database, plain_engine
from tests.cities.foreign_sakila import somebody_elses_sakila

# To doctor both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")

Doctor = Callable[..., dict[str, Any]]


def test_the_index_of_the_lookup_is_found(database: Database, doctor: Doctor) -> None:
    assert doctor(database.url)["index"]["text"] == "ix_city_key on city_key"


COUNTRY = "CREATE TABLE country (country_id INT, country VARCHAR(50))"
CITY = "CREATE TABLE {} (city_id INT, city VARCHAR(50), country_id INT)"
VIEW = "CREATE VIEW city AS SELECT * FROM town"


@pytest.mark.parametrize(
    ("tables", "levels"),
    [
        ([], ["not checked"]),
        ([COUNTRY, CITY.format("city")], ["warning"]),
        ([COUNTRY, CITY.format("town"), VIEW], ["not checked", "warning"]),
    ],
)
def test_other_tables_than_ours(empty_database: Database, doctor: Doctor, tables: list[str], levels: list[str]) -> None:
    with empty_database.connect() as connection:  # a SQLite file must be there
        for statement in tables:
            connection.execute(text(statement))
    lines = doctor(empty_database.url)

    assert lines["index"]["level"] in levels
    if tables:
        assert (lines["migrations"]["level"], lines["exit"]) == ("ok", 1)
        assert VIEW in tables or "no city_key " in lines["index"]["text"]


def test_an_index_in_a_sakila_of_somebody_else(mysql_like: Database, doctor: Doctor) -> None:
    with somebody_elses_sakila(mysql_like.server) as sakila:
        without = doctor(sakila.url)["index"]
        with plain_engine(make_url(sakila.admin_url).set(database=make_url(sakila.url).database)).begin() as connection:
            connection.execute(text(without["remedy"]))
        having = doctor(sakila.url)["index"]

    assert (without["level"], having["level"]) == ("warning", "ok")
    assert without["text"] == "no city_key and no index on city: each lookup reads all of city"
    assert having["text"].startswith("ix_city on city, in utf8mb4_")


def test_an_index_is_proposed_only_where_it_would_serve(mysql_like: Database, doctor: Doctor) -> None:
    with somebody_elses_sakila(mysql_like.server, collation="utf8mb4_bin") as sakila:
        line = doctor(sakila.url)["index"]

    assert line["text"] == "no city_key in this table city: each lookup reads all of it"
    assert "CREATE INDEX" not in line["remedy"]


def test_an_index_that_was_dropped(served: Database, doctor: Doctor) -> None:
    of = "" if served.name == "postgresql" else " ON city"
    with served.connect() as connection:
        connection.execute(text(f"DROP INDEX ix_city_key{of}"))
    lines = doctor(served.url)
    with served.connect() as connection:
        connection.execute(text(lines["index"]["remedy"]))

    assert (lines["index"]["level"], lines["exit"]) == ("problem", 2)
    assert doctor(served.url)["index"]["level"] == "ok", "the remedy is one"
