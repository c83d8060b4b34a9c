"""Every name finds its city, however it is spelt, on every database: 600 names, four spellings, four databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, event

from app.cities import queries
from app.extensions import db
from testkit.databases import Database
from tests.cities import sakila as cities

INDEX = "ix_city_key"


def wrong_answers(client: FlaskClient, asked: dict[str, int]) -> dict[str, str]:
    """Ask for each name; return the answers that are not the expected id."""
    answers = {name: client.get("/", query_string={"city": name}).get_data(as_text=True).strip() for name in asked}
    return {name: answer for name, answer in answers.items() if answer != f'City "{name}" is #{asked[name]}'}


@pytest.mark.no_cover  # hundreds of times the same lines, which others cover: measuring them takes half the time
@pytest.mark.parametrize("spelling", cities.SPELLINGS)
def test_every_name_finds_its_city(client: FlaskClient, spelling: str) -> None:
    spell, first = cities.SPELLINGS[spelling], cities.first_ids()
    assert len(cities.names()) == 600

    assert not wrong_answers(client, {spell(name): first[name] for name in cities.names()})


@pytest.mark.parametrize("sign", cities.APOSTROPHES)
def test_apostrophes_stand_for_one_another(client: FlaskClient, sign: str) -> None:
    first = cities.first_ids()
    apostrophes = {name.replace("´", sign): first[name] for name in first if "´" in name}
    assert len(apostrophes) == 6

    assert not wrong_answers(client, apostrophes)


@pytest.mark.parametrize("name", ["%", "Lond%", "_ondon", "Lond_n", "\\", "London\\", "'", "´", "😀", "Londn"])
def test_patterns_and_near_misses_find_nothing(client: FlaskClient, name: str) -> None:
    response = client.get("/", query_string={"city": name})

    assert response.status_code == 404
    assert response.get_data(as_text=True).strip() == f'City "{name}" not found'


def test_lookup_is_one_statement_through_the_index(app: Flask, database: Database) -> None:
    with app.app_context():
        queries.find_cities("London")
        statements = sent_while(lambda: queries.find_cities("São Leopoldo"))

        assert len(statements) == 1
        assert_uses_index(database, *statements[0])


def test_prefix_search_is_one_statement_through_the_index(app: Flask, database: Database) -> None:
    with app.app_context():
        queries.find_cities("London")
        statements = sent_while(lambda: queries.search_cities(prefix="Lo", limit=10))

        assert len(statements) == 1
        assert_uses_index(database, *statements[0])


def sent_while(ask: Callable[[], object]) -> list[tuple[str, Any]]:
    """Return the statements, with their parameters, that the reader sends while `ask` runs."""
    sent = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool
    ) -> None:
        sent.append((statement, parameters))

    engine = db.engines["reader"]
    event.listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return sent


def assert_uses_index(database: Database, statement: str, parameters: Any) -> None:
    with db.engines["reader"].connect() as connection:
        plan = {"sqlite": sqlite_plan, "postgresql": postgresql_plan}.get(database.name, mysql_plan)
        plan(connection, statement, parameters)


def sqlite_plan(connection: Connection, statement: str, parameters: Any) -> None:
    plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]

    assert any(line.startswith("SEARCH city USING") and f"INDEX {INDEX} " in line for line in plan), plan
    # "page" is what the index gave, cut to its length.
    assert not any(line.startswith("SCAN") and line != "SCAN page" for line in plan), plan


def postgresql_plan(connection: Connection, statement: str, parameters: Any) -> None:
    # As after the first autovacuum: the planner is left free and prefers the index with true statistics.
    connection.exec_driver_sql("ANALYZE city")
    plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))

    assert f"Index Scan using {INDEX} on city" in plan or f"Bitmap Index Scan on {INDEX}" in plan, plan
    assert re.search(r"Index Cond: \(+city_key\)?", plan), plan
    assert "Seq Scan on city" not in plan, plan


def mysql_plan(connection: Connection, statement: str, parameters: Any) -> None:
    # MySQL draws a tree or writes JSON where a server is set so; MariaDB has the table alone.
    form = "FORMAT=TRADITIONAL " if connection.dialect.name == "mysql" else ""
    plan = connection.exec_driver_sql(f"EXPLAIN {form}{statement}", parameters).mappings().all()

    city = next(row for row in plan if row["table"] == "city")
    assert city["type"] in {"ref", "range"}, plan
    assert city["key"] == INDEX, plan
