from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.problems import assert_problem

LONDON = {"id": 312, "name": "London", "country": {"id": 102, "name": "United Kingdom"}}
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


@pytest.mark.no_cover  # hundreds of times the same lines, which others cover: measuring them takes half the time
def test_city_by_id_has_its_country(client: FlaskClient) -> None:
    assert client.get("/api/v1/cities/312").json == LONDON


def test_country_by_id(client: FlaskClient) -> None:
    assert client.get("/api/v1/countries/102").json == {"id": 102, "name": "United Kingdom"}


@pytest.mark.parametrize("path", ["cities/601", "countries/110", "countries/110/cities"])
def test_unknown_ids_are_not_found(client: FlaskClient, path: str) -> None:
    assert_problem(client.get(f"/api/v1/{path}"), 404, "not-found", "has the id")


def test_every_city_is_on_one_page_only(client: FlaskClient) -> None:
    seen = [city["id"] for page in pages(client, "/api/v1/cities?limit=37") for city in page]

    assert len(seen) == 600
    assert len(set(seen)) == 600


def test_every_country_is_on_one_page_only(client: FlaskClient) -> None:
    sizes = [len(page) for page in pages(client, "/api/v1/countries?limit=50")]

    assert sizes == [50, 50, 9]


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
    assert "prefix=Sa" in link
    assert "limit=2" in link
    assert "country_id=15" in link
    assert "utm_source" not in link


def test_filter_by_name_finds_both_londons(client: FlaskClient) -> None:
    found = client.get("/api/v1/cities?name=LONDON").get_json()["items"]

    assert [city["id"] for city in found] == [312, 313]


def test_filter_by_prefix_is_folded_like_a_name(client: FlaskClient) -> None:
    found = [city["name"] for city in client.get("/api/v1/cities?prefix=san f").get_json()["items"]]

    assert all(name.startswith("San F") for name in found)
    assert found


@pytest.mark.parametrize("prefix", ["%", "_", "\\", "%a", "🏙"])
def test_wildcards_in_a_prefix_are_plain_text(client: FlaskClient, prefix: str) -> None:
    assert client.get("/api/v1/cities", query_string={"prefix": prefix}).json == {"items": [], "next": None}


def test_filters_add_up(client: FlaskClient) -> None:
    found = client.get("/api/v1/cities?name=London&country_id=20&prefix=lon").get_json()["items"]

    assert [city["id"] for city in found] == [313]


def test_country_without_such_a_city_is_an_empty_list(client: FlaskClient) -> None:
    assert client.get("/api/v1/cities?country_id=5000").json == {"items": [], "next": None}


@pytest.mark.parametrize("address", ADDRESSES)
def test_known_tag_is_answered_304(client: FlaskClient, address: str) -> None:
    first = client.get(address)

    assert first.headers["Cache-Control"] == "no-cache"
    assert client.get(address, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert client.get(address, headers={"If-None-Match": '"other"'}).data == first.data


@pytest.mark.parametrize("address", ADDRESSES)
def test_methods(client: FlaskClient, address: str) -> None:
    head, options, other = client.head(address), client.options(address), client.open(address, method="TRACE")
    allowed = {"GET", "HEAD", "OPTIONS"} | WRITES.get(address, set())

    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == client.get(address).headers["Content-Length"]
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
