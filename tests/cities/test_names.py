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
from tests.cities import sakila as cities

INDEX = "ix_city_key"


def wrong_ids(client: FlaskClient, asked: dict[str, int]) -> dict[str, int | None]:
    """Look up each name as `/` does for text; return the ids that are not the expected ones."""
    with client.application.app_context():
        found = {name: queries.find_city_id(name) for name in asked}
    return {name: city_id for name, city_id in found.items() if city_id != asked[name]}


def in_all_spellings() -> dict[str, int]:
    """Return the lowest id of each name by all that somebody may type."""
    first = cities.first_ids()
    spelt = {spell(name): id for name, id in first.items() for spell in cities.SPELLINGS.values()}
    with_sign = {name.replace("´", sign): id for name, id in first.items() for sign in cities.APOSTROPHES}
    assert len(spelt | with_sign) > 3 * 600
    return spelt | with_sign


@pytest.mark.no_cover  # hundreds of times the same lines, which others cover: measuring them takes half the time
def test_every_name_finds_its_city(client: FlaskClient) -> None:
    assert not wrong_ids(client, in_all_spellings())


@pytest.mark.parametrize(
    "ask", [lambda: queries.find_cities("São Leopoldo"), lambda: queries.search_cities(prefix="Lo", limit=10)]
)
def test_lookup_and_prefix_search_are_one_statement_through_the_index(app: Flask, ask: Callable[[], object]) -> None:
    with app.app_context():
        queries.find_cities("London")
        ((statement, parameters),) = sent_while(ask)

        with db.engines["reader"].connect() as connection:
            assert_uses_index(connection, statement, parameters)


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


def assert_uses_index(connection: Connection, statement: str, parameters: Any, times: int = 1) -> None:
    """Fail unless the index on the key is the way to the cities, each of the times that a statement reads them."""
    if connection.dialect.name == "postgresql":
        return postgresql_uses_index(connection, statement, parameters)
    if connection.dialect.name == "sqlite":
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        read = [line for line in plan if re.search(r"\bcity\b|SCAN country", line)]
        right = rf"SEARCH city USING (COVERING )?INDEX {INDEX} \(city_key"
    else:
        # MySQL draws a tree or writes JSON where a server is set so; MariaDB has the table alone.
        form = "FORMAT=TRADITIONAL " if connection.dialect.name == "mysql" else ""
        rows = connection.exec_driver_sql(f"EXPLAIN {form}{statement}", parameters).mappings().all()
        read = [f"{row['type']} {row['key']}" for row in rows if row["table"] == "city"]
        right = f"(ref|range) {INDEX}"
    assert [line for line in read if not re.match(right, line)] == []
    assert len(read) == times
    return None


def postgresql_uses_index(connection: Connection, statement: str, parameters: Any) -> None:
    # As after the first autovacuum: the planner is left free and prefers the index with true statistics.
    connection.exec_driver_sql("ANALYZE city")
    plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))

    assert f"Index Scan using {INDEX} on city" in plan or f"Bitmap Index Scan on {INDEX}" in plan, plan
    assert re.search(r"Index Cond: \(+city_key\)?", plan), plan
    assert "Seq Scan on city" not in plan, plan
