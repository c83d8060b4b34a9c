"""Databases whose character set lacks most characters: what they cannot hold is not found, the rest is as ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.cities.queries import Cursor
from app.cities.shapes import encode_cursor
from testkit.databases import Database, plain_engine
from tests.cities.narrow import narrow_database
from tests.conftest import dispose, obtain_or_skip

JSON, HTML = {"Accept": "application/json"}, {"Accept": "text/html"}
OURS = (
    "INSERT INTO country (country_id, country) VALUES (1, 'Utopia')",
    "INSERT INTO city (city_id, city, city_key, country_id) VALUES "
    "(1, 'Malmö', 'malmo', 1), (2, 'Malmbäck', 'malmback', 1), (3, 'Malung', 'malung', 1), (4, 'Øya', 'øya', 1)",
)
THEIRS = (
    "CREATE TABLE country (country_id INT PRIMARY KEY, country VARCHAR(50))",
    "CREATE TABLE city (city_id INT PRIMARY KEY, city VARCHAR(50), country_id INT)",
    OURS[0],
    "INSERT INTO city VALUES (1, 'Malmö', 1), (2, 'Malmbäck', 1), (3, 'Malung', 1), (4, 'Øya', 1)",
)


@pytest.fixture(
    scope="module",
    params=[
        ("postgresql", "LATIN1", "ours"),
        ("postgresql", "LATIN1", "theirs"),
        ("postgresql", "SQL_ASCII", "ours"),
        ("mariadb", "latin1", "ours"),
        ("mysql", "latin1", "ours"),
    ],
    ids="-".join,
)
def narrow(request: pytest.FixtureRequest) -> Iterator[Database]:
    name, encoding, whose = request.param
    with narrow_database(obtain_or_skip(request.config, name), encoding, migrated=whose == "ours") as made:
        url = f"{made.url}?client_encoding=utf8" if name == "postgresql" else made.url
        with plain_engine(url).begin() as connection:
            for statement in OURS if whose == "ours" else THEIRS:
                connection.execute(text(statement))
        yield made


@pytest.fixture(scope="module")
def ask(narrow: Database, make_lasting_app: Callable[..., Flask]) -> Iterator[Callable[..., Any]]:
    app = make_lasting_app(DATABASE_URL=narrow.url)
    yield app.test_client().get
    dispose(app)


@pytest.mark.parametrize("name", ["東京", "😀", "Malm😀", "łódź", "\ue000", "\u200b"])
def test_a_name_that_cannot_be_there_is_not_found(ask: Callable[..., Any], name: str) -> None:
    for headers in ({}, JSON, HTML):
        assert ask("/", query_string={"city": name}, headers=headers).status_code == 404
    for filters in ({"name": name}, {"prefix": name}, {"name": name, "prefix": "Mal", "country_id": 1}):
        response = ask("/api/v1/cities", query_string=filters)
        assert (response.status_code, response.json) == (200, {"items": [], "next": None})


def test_the_others_are_found(ask: Callable[..., Any]) -> None:
    assert ask("/?city=malmö").text == 'City "malmö" is #1\n'
    assert ask("/?city=Øya", headers=JSON).json["matches"][0]["name"] == "Øya"


@pytest.mark.parametrize(("prefix", "ids"), [("malm", {1, 2}), ("MAL", {1, 2, 3}), ("Ø", {4}), ("x", set())])
def test_a_prefix(ask: Callable[..., Any], prefix: str, ids: set[int]) -> None:
    found = ask("/api/v1/cities", query_string={"prefix": prefix})

    assert {city["id"] for city in found.json["items"]} == ids


def test_a_page_behind_what_cannot_be_there(ask: Callable[..., Any]) -> None:
    """Where it would be in the order nobody can say; it is no fault of ours."""
    response = ask("/api/v1/cities", query_string={"cursor": encode_cursor(Cursor("東京", 1))})

    assert response.status_code == 200
