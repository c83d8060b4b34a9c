"""The lists of the API and what is in them, read by id, by name, by country and page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.support.problems import assert_problem

WRITES = {"/api/v1/cities": {"POST"}, "/api/v1/cities/312": {"PUT", "PATCH", "DELETE"}}
ADDRESSES = [
    "/api/v1/cities",
    "/api/v1/cities/312",
    "/api/v1/countries",
    "/api/v1/countries/102",
    "/api/v1/countries/102/cities",
]


def pages(client: FlaskClient, address: str | None) -> Iterator[list[dict[str, Any]]]:
    while address:
        page = client.get(address).get_json()
        yield page["items"]
        address = page["next"]


def test_one_by_id(client: FlaskClient) -> None:
    country = {"id": 102, "name": "United Kingdom"}

    assert client.get("/api/v1/countries/102").json == country
    assert client.get("/api/v1/cities/312").json == {"id": 312, "name": "London", "country": country}


@pytest.mark.parametrize("path", ["cities/601", "countries/110", "countries/110/cities"])
def test_unknown_ids_are_not_found(client: FlaskClient, path: str) -> None:
    assert_problem(client.get(f"/api/v1/{path}"), 404, "not-found", "has the id")


def test_every_city_and_country_is_on_one_page_only(client: FlaskClient) -> None:
    seen = [city["id"] for page in pages(client, "/api/v1/cities?limit=37") for city in page]

    assert sorted(seen) == list(range(1, 601))
    assert [len(page) for page in pages(client, "/api/v1/countries?limit=50")] == [50, 50, 9]


def test_a_last_page_that_is_full_has_no_next(client: FlaskClient) -> None:
    assert client.get("/api/v1/cities?name=London&limit=2").get_json()["next"] is None


def test_cities_of_a_country_are_paged_the_same_way(client: FlaskClient) -> None:
    paged = [city for page in pages(client, "/api/v1/countries/102/cities?limit=3") for city in page]

    assert len(paged) == 8
    assert paged == client.get("/api/v1/cities?country_id=102").get_json()["items"]
    assert all(city["country"]["id"] == 102 for city in paged)


def test_next_link_is_relative_and_keeps_the_filters(client: FlaskClient) -> None:
    link = client.get("/api/v1/cities?prefix=Sa&limit=2&country_id=15&utm_source=x").get_json()["next"]

    assert link.startswith("/api/v1/cities?")
    assert all(kept in link for kept in ("prefix=Sa", "limit=2", "country_id=15"))
    assert "utm_source" not in link


@pytest.mark.parametrize("below", ["/towns", "/städte", "/my towns"])
def test_next_link_leads_below_where_the_service_is(client: FlaskClient, below: str) -> None:
    environ = {"SCRIPT_NAME": below.encode().decode("latin-1")}

    answer = client.get("/api/v1/cities?limit=1", environ_overrides=environ)

    assert answer.get_json()["next"].startswith(f"{quote(below)}/api/v1/cities?")


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"name": "LONDON"}, [312, 313]),
        ({"prefix": "sao leo"}, [486]),
        ({"name": "London", "country_id": 20, "prefix": "lon"}, [313]),
        ({"country_id": 5000}, []),
        *(({"prefix": plain_text}, []) for plain_text in ("%", "_", "\\", "%a", "🏙")),
    ],
)
def test_filters_are_folded_like_a_name_and_add_up(
    client: FlaskClient, filters: dict[str, str | int], ids: list[int]
) -> None:
    found = client.get("/api/v1/cities", query_string=filters).get_json()

    assert [city["id"] for city in found["items"]] == ids
    assert found["next"] is None


@pytest.mark.parametrize("address", ADDRESSES)
def test_known_tag_is_answered_304(client: FlaskClient, address: str) -> None:
    first = client.get(address)

    assert first.headers["Cache-Control"] == "no-cache"
    assert client.get(address, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert client.get(address, headers={"If-None-Match": '"other"'}).data == first.data


@pytest.mark.parametrize("address", [*ADDRESSES, "/?city=London"])
def test_methods(client: FlaskClient, address: str) -> None:
    get, head, options, other = (
        client.open(address, method=method, headers={"Accept": "application/json"})
        for method in ("GET", "HEAD", "OPTIONS", "TRACE")
    )
    allowed = {"GET", "HEAD", "OPTIONS"} | WRITES.get(address, set())

    assert (head.status_code, head.data) == (200, b"")
    assert [head.headers[name] for name in ("Content-Length", "ETag")] == [
        get.headers[name] for name in ("Content-Length", "ETag")
    ]
    assert set(options.headers["Allow"].split(", ")) == allowed
    assert_problem(other, 405, "method-not-allowed")
    assert set(other.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("accept", ["text/html", "image/png", "application/json;q=0"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_client_that_takes_no_json_is_told_so(client: FlaskClient, address: str, accept: str) -> None:
    assert_problem(client.get(address, headers={"Accept": accept}), 406, "not-acceptable", "application/json")


def test_bounds_of_the_parameters_are_those_of_the_code(client: FlaskClient) -> None:
    listed = client.get("/openapi.json").get_json()["paths"]["/api/v1/cities"]["get"]["parameters"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in listed}

    assert schemas["limit"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    assert schemas["country_id"] == {"type": "integer", "minimum": 1, "maximum": 2_147_483_647}
    assert all(parameter["description"] for parameter in listed)
