"""The pages of browsers: near spellings, and a country's cities."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, text

from app.cities import queries
from app.cities.names import one_slip_away
from app.extensions import Model
from testkit.databases import Database, plain_engine
from testkit.processes import free_port
from tests.api.test_sub_path import BELOW, ask, leads_below
from tests.cities.test_names import assert_uses_index, sent_while
from tests.conftest import dispose
from tests.support.kinds import on_one_server
from tests.support.problems import assert_problem
from tests.support.protected import assert_nothing_inline

HTML = {"Accept": "text/html"}
LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>')


def links(page: str) -> dict[str, str]:
    """Return where the links of a page lead, by their words."""
    return {unescape(re.sub("<.*?>", "", words)): unescape(address) for address, words in LINK.findall(page)}


@on_one_server
@pytest.mark.parametrize("address", ["/", "/?city=London", "/?city=Lundon", "/?city=x", "/?city=", "/countries/23"])
def test_a_page_has_nothing_inline_and_leads_below_where_it_is(client: FlaskClient, address: str) -> None:
    page = ask(client, address, "text/html").text
    addresses = re.findall(r'(?:href|src|action|data-\w+)="([^"]*/[^"]*)"', page)

    assert_nothing_inline(page.replace(BELOW, ""))
    assert len(addresses) > 5
    assert [each for each in addresses if not leads_below(each, address)] == []


def test_a_page_without_its_database_says_when_and_keeps_what_was_typed(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL=f"mysql://user:password@127.0.0.1:{free_port()}/none", REQUEST_DEADLINE_SECONDS="1")

    response = app.test_client().get("/", query_string={"city": 'O"Hara'}, headers=HTML)
    dispose(app)  # so that nobody goes on knocking

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert "Nothing can be looked up at the moment. What you typed is kept." in response.text
    assert 'value="O&#34;Hara"' in response.text


# ---- near spellings ----


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("Lundon", "London"),  # wrong
        ("Lodnon", "London"),  # swapped
        ("Xondon", "London"),  # the very first
        ("ondon", "London"),
        ("Lond", "London"),  # not finished
        ("vancuvor", "Vancouver"),  # two slips, far behind
        ("SAO LEOPOLD", "São Leopoldo"),
        ("Xiangtan", "Xi´angtan"),
    ],
)
def test_near_spellings_are_offered_as_links(client: FlaskClient, typed: str, first: str) -> None:
    response = client.get("/", query_string={"city": typed}, headers=HTML)

    assert response.status_code == 404
    offered = response.text.partition("Did you mean")[2]
    words, address = next(iter(links(offered).items()))
    assert words == first
    assert client.get(address, headers=HTML).status_code == 200


def test_names_that_begin_with_what_was_typed_come_first(client: FlaskClient) -> None:
    def offered(typed: str) -> list[str]:
        page = client.get("/", query_string={"city": typed}, headers=HTML).text
        return list(links(page.partition("Did you mean")[2]))

    sao, san = offered("Sao"), offered("San")

    assert [name.startswith("São ") for name in sao] == [True, True, False]
    assert len(san) == 5
    assert all(name.startswith("San") for name in san)


@pytest.mark.parametrize("typed", ["Nowhere at all", "x", "😀", "%", "w" * 50])
def test_nothing_is_offered_where_nothing_is_near(client: FlaskClient, typed: str) -> None:
    response = client.get("/", query_string={"city": typed}, headers=HTML)

    assert response.status_code == 404
    assert "No name here is spelled much like it." in response.text


def test_only_the_page_asks_for_near_spellings_with_one_statement_more(app: Flask, client: FlaskClient) -> None:
    client.get("/?city=London", headers=HTML)

    def statements(accept: str, city: str) -> int:
        with app.app_context():
            return len(sent_while(lambda: client.get(f"/?city={city}", headers={"Accept": accept})))

    assert statements("text/html", "Lundon") == 2
    assert statements("text/html", "London") == 1
    assert statements("application/json", "Lundon") == 1


def test_a_slip_is_looked_for_where_the_order_of_names_does_not_help() -> None:
    near = one_slip_away("lundon")

    assert {"london", "undon", "ulndon", "xlundon", "lu ndon", "lundno", "lundan"} - near == {"lundan"}
    assert "lundon" not in near
    assert len(one_slip_away("w" * 50)) <= len(one_slip_away("abcdefghij")) < 200
    assert "" not in one_slip_away("x")
    assert one_slip_away("") == set()


def test_candidates_are_ranges_of_the_index(app: Flask, database: Database) -> None:
    with app.app_context():
        queries.find_cities("London")
        ((statement, parameters),) = sent_while(lambda: queries.find_similar("Lundon"))

    # A table of six pages is rightly read as a whole; with more of them the planners are left free.
    with plain_engine(database.url).connect() as connection:
        add_cities(connection, 100_000 if database.name == "postgresql" else 5_000)
        assert_uses_index(connection, statement, parameters, times=3)
        connection.rollback()


def add_cities(connection: Connection, number: int) -> None:
    """Add cities that stay in the transaction."""
    numbers = {
        "postgresql": f"SELECT n FROM generate_series(1, {number}) AS numbers (n)",
        "sqlite": f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {number}) "
        "SELECT n FROM numbers",
    }.get(connection.dialect.name, f"SELECT a.city_id * 1000 + b.city_id AS n FROM city a, city b LIMIT {number}")
    name = "concat('x', n)" if connection.dialect.name != "sqlite" else "'x' || n"
    connection.execute(
        text(f"INSERT INTO city SELECT 1000 + n, {name}, {name}, 1, CURRENT_TIMESTAMP FROM ({numbers}) AS numbers")
    )


# ---- countries ----


def test_a_country_is_a_click_away_from_its_city(client: FlaskClient) -> None:
    found = client.get("/?city=London", headers=HTML).text

    canada = client.get(links(found)["Other cities of Canada"], headers=HTML)

    assert canada.status_code == 200
    assert canada.content_type == "text/html; charset=utf-8"
    assert links(canada.text)["Vancouver"] == "/?city=Vancouver#city-565"
    assert "<title>\u2068Canada\u2069 · " in canada.text


def test_a_country_is_read_page_by_page_to_its_end(client: FlaskClient) -> None:
    seen: list[str] = []
    address: str | None = "/countries/23?limit=20"
    while address:
        page = client.get(address, headers=HTML).text
        seen += re.findall(r'class="id">#(\d+)', page)
        following = re.search(r'rel="next" href="([^"]*)"', page)
        address = unescape(following[1]) if following else None

    listed = client.get("/api/v1/countries/23/cities?limit=100").get_json()["items"]
    assert seen == [str(city["id"]) for city in listed]
    assert links(page)["First cities"] == "/countries/23?limit=20"


def test_a_country_is_one_statement_and_is_not_sent_twice(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        assert len(sent_while(lambda: client.get("/countries/23", headers=HTML))) == 1

    tag = client.get("/countries/102", headers=HTML).headers["ETag"]
    assert client.get("/countries/102", headers={**HTML, "If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        *((f"/countries/{wanted}", 404, "No country has the id") for wanted in ("0", "999", "2147483648", "x", "٣")),
        ("/countries/23?cursor=x", 400, "cursor"),
    ],
)
def test_what_is_no_country_or_no_page_of_one(client: FlaskClient, address: str, status: int, said: str) -> None:
    response = client.get(address, headers=HTML)

    assert response.status_code == status
    assert said in unescape(response.text)


def test_a_country_without_cities_says_so(make_app: Callable[..., Flask], empty_database: Database) -> None:
    engine = plain_engine(empty_database.url)
    Model.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO country (country_id, country) VALUES (7, 'Atlantis')"))
    client = make_app(DATABASE_URL=empty_database.url).test_client()

    response = client.get("/countries/7", headers=HTML)

    assert response.status_code == 200
    assert "Atlantis" in response.text
    assert "No city of this country is known here." in response.text
    assert client.get("/countries/8", headers=HTML).status_code == 404


def test_programs_are_told_that_a_country_is_a_page(client: FlaskClient) -> None:
    assert_problem(client.get("/countries/23", headers={"Accept": "application/json"}), 406, "not-acceptable")
