"""A Sakila of somebody else in the collations that there are: which find a name by an index, and what each finds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from unicodedata import normalize

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import make_url, text

from app.cities.names import APOSTROPHES
from testkit.databases import Database, plain_engine
from tests.cities import sakila as cities
from tests.cities.foreign_sakila import somebody_elses_sakila
from tests.cities.test_foreign_sakila import server_log
from tests.cities.test_names import in_all_spellings, wrong_ids
from tests.conftest import dispose, obtain_or_skip

JSON = {"Accept": "application/json"}
INDEX = "CREATE INDEX by_somebody ON city (city)"
APOSTROPHIC = {"Sa´ad ´Aq": 701, "´Ata": 702}

DEFAULTS = [
    ("mariadb", "utf8mb4_general_ci"),
    ("mysql", "utf8mb4_0900_ai_ci"),
    ("mariadb118", "utf8mb4_uca1400_ai_ci"),
]
BY_INDEX = [
    *DEFAULTS,
    ("mariadb", "utf8mb4_uca1400_ai_ci"),
    ("mariadb", "utf8mb3_unicode_ci"),
    ("mysql", "utf8mb4_unicode_ci"),
]
OTHERS = [
    ("mariadb", "latin1_swedish_ci"),
    ("mariadb", "utf8mb4_bin"),
    ("mariadb", "utf8mb4_turkish_ci"),
    ("mysql", "latin1_general_cs"),
    ("mysql", "utf8mb4_0900_as_ci"),
    ("mysql", "utf8mb4_0900_as_cs"),
]


@pytest.fixture(scope="module")
def sakila(request: pytest.FixtureRequest) -> Iterator[Database]:
    name, collation = request.param
    more = [
        f"INSERT INTO city (city_id, city, country_id) VALUES ({id}, '{each}', 1)" for each, id in APOSTROPHIC.items()
    ]
    with somebody_elses_sakila(
        obtain_or_skip(request.config, name), INDEX, *more, "ANALYZE TABLE city", collation=collation
    ) as made:
        yield made


@pytest.fixture(scope="module")
def reader(sakila: Database, make_lasting_app: Callable[..., Flask]) -> Iterator[FlaskClient]:
    app = make_lasting_app(DATABASE_URL=sakila.url)
    client = app.test_client()
    client.get("/?city=London")
    yield client
    dispose(app)


by_default = pytest.mark.parametrize("sakila", DEFAULTS, indirect=True, ids="-".join)
by_index = pytest.mark.parametrize("sakila", BY_INDEX, indirect=True, ids="-".join)
everywhere = pytest.mark.parametrize("sakila", BY_INDEX + OTHERS, indirect=True, ids="-".join)


@pytest.mark.no_cover  # hundreds of times the same lines, which others cover: measuring them takes half the time
@by_index
def test_every_name_finds_its_city(reader: FlaskClient) -> None:
    assert not wrong_ids(reader, in_all_spellings())


@pytest.mark.no_cover  # as above
@everywhere
@pytest.mark.short_form("in lower case")
@pytest.mark.parametrize("spelling", cities.SPELLINGS)
def test_nothing_is_lost_that_lower_would_find(sakila: Database, reader: FlaskClient, spelling: str) -> None:
    """As the lookup was once: what a collation ignores is its own affair, and some tell Š from š, or even J from j."""
    spell, first = cities.SPELLINGS[spelling], cities.first_ids()
    found: dict[str, int] = {}
    with sakila.connect() as connection:
        ask = text("SELECT city_id FROM city WHERE lower(city) LIKE lower(:name) ORDER BY city_id")
        for name in [name for name in first if not name.isascii()] + list(first)[::10]:
            ids = connection.scalars(ask, {"name": spell(name)}).all()
            found |= {spell(name): first[name]} if first[name] in ids else {}

    assert len(found) > 50
    assert not wrong_ids(reader, found)


@everywhere
def test_apostrophes_stand_for_one_another(reader: FlaskClient) -> None:
    """Whatever the character set has of them, and if they are mixed."""
    first = {name: id for name, id in (cities.first_ids() | APOSTROPHIC).items() if "´" in name}
    assert len(first) == 8

    for sign, count in product(APOSTROPHES, (1, 2)):
        assert not wrong_ids(reader, {name.replace("´", sign, count): id for name, id in first.items()})


@everywhere
def test_a_name_in_two_parts_as_macos_types_it(reader: FlaskClient) -> None:
    """Where the column has the letter at all."""
    for name in ("São Leopoldo", "Mérida", "São Leo"):
        for composed, form in ((name, normalize("NFD", name)), (name.lower(), normalize("NFD", name.lower()))):
            asked = {"prefix": form}, {"prefix": composed}
            decomposed, whole = (reader.get("/api/v1/cities", query_string=each).get_json()["items"] for each in asked)
            assert decomposed == whole
            assert reader.get("/", query_string={"city": form}).status_code == (
                reader.get("/", query_string={"city": composed}).status_code
            )


@pytest.mark.parametrize("sakila", [("mariadb", "utf8mb4_uca1400_as_ci")], indirect=True, ids="-".join)
def test_a_dotted_capital_is_an_i_as_lower_has_it(reader: FlaskClient) -> None:
    assert reader.get("/api/v1/cities", query_string={"prefix": "İse"}).get_json()["items"]
    assert reader.get("/", query_string={"city": "İsesaki"}).status_code == 200


KINDS = {
    "/?city=LONDON": "ref",
    "/?city=Nowhere": "ref",
    "/?city=nuku'alofa": "range",
    "/?city=sa'ad%20'aq": "range",
    "/api/v1/cities?name=london": "ref",
    "/api/v1/cities?prefix=lon": "range",
}


@by_index
def test_an_index_on_the_name_is_used(sakila: Database, reader: FlaskClient) -> None:
    """By one statement, also for a name that nothing has, for text as for JSON."""
    with server_log(sakila) as sent:
        for path in KINDS:
            reader.get(path)
            reader.get(path, headers=JSON)

    assert len(sent) == 2 * len(KINDS)
    for statement, kind in zip(sent, [kind for kind in KINDS.values() for _ in range(2)], strict=True):
        plan = explained(sakila, statement)
        assert (plan["type"], plan["key"]) == (kind, "by_somebody"), plan
        assert int(plan["rows"]) <= 40, plan


@by_index
def test_a_name_takes_the_short_way(sakila: Database, reader: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a statement is made for it, nor a transaction of SQLAlchemy's."""
    monkeypatch.setattr("steadypool.retry.read", None)

    assert reader.get("/?city=london").text == 'City "london" is #312\n'
    assert reader.get("/?city=nuku'alofa").text.startswith("City")
    assert reader.get("/?city=Nowhere").status_code == 404


@pytest.mark.no_cover  # which counts by the same means
@by_default
def test_a_name_takes_little_more_than_in_our_own_tables(
    sakila: Database, migrated: Callable[[str], Database], reader: FlaskClient, make_app: Callable[..., Flask]
) -> None:
    """Counted, since on a machine with other work no clock would tell: requests go by how much Python runs."""
    ours = make_app(DATABASE_URL=migrated(sakila.name).url).test_client()

    assert python_calls(reader) < 1.15 * python_calls(ours)


def python_calls(client: FlaskClient) -> int:
    """Return how many Python functions the second of two requests runs."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    client.get("/?city=LONDON")
    sys.setprofile(note)
    try:
        client.get("/?city=LONDON")
    finally:
        sys.setprofile(None)
    return count


def explained(sakila: Database, statement: str) -> dict[str, Any]:
    name = make_url(sakila.url).database
    form = "FORMAT=TRADITIONAL " if sakila.name == "mysql" else ""
    with plain_engine(make_url(sakila.admin_url).set(database=name)).connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN {form}{statement}".replace("%", "%%")).mappings().all()
    return next(dict(row) for row in plan if row["table"] == "city")


@everywhere
@pytest.mark.parametrize("name", ["Łódź", "東京", "😀", "Nowhere 😀", "Nuku'alofa😀", "'😀'"])
def test_what_the_character_set_cannot_hold_is_not_found(reader: FlaskClient, name: str) -> None:
    for headers in ({}, JSON, {"Accept": "text/html"}):
        assert reader.get("/", query_string={"city": name}, headers=headers).status_code == 404
    for filters in ({"name": name}, {"prefix": name}, {"name": name, "prefix": "Lon", "country_id": 1}):
        response = reader.get("/api/v1/cities", query_string=filters)
        assert (response.status_code, response.get_json()["items"]) == (200, [])
