"""The lookup at `/`: one name, as text, as JSON and as the page."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from markupsafe import escape

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LONDONS = [
    {"id": 312, "name": "London", "country": {"id": 102, "name": "United Kingdom"}},
    {"id": 313, "name": "London", "country": {"id": 20, "name": "Canada"}},
]


@pytest.mark.parametrize("typed", ["London", "LONDON", " London  ", "Lóndon"])
def test_text_echoes_the_name_as_it_was_typed(client: FlaskClient, typed: str) -> None:
    response = client.get("/", query_string={"city": typed}, headers={"Accept": "*/*"})

    assert response.status_code == 200
    assert response.text == f'City "{typed}" is #312\n'
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Vary"] == "Accept"
    assert response.headers["Cache-Control"] == "no-cache"


def test_json_has_every_match_with_its_country(client: FlaskClient) -> None:
    response = client.get("/?city=london", headers={"Accept": "application/json"})

    assert response.content_type == "application/json"
    assert response.json == {"query": "london", "id": 312, "matches": LONDONS}
    assert response.headers["Vary"] == "Accept"


def test_browser_gets_a_page_with_every_match(client: FlaskClient) -> None:
    response = client.get("/?city=London", headers={"Accept": BROWSER})

    assert response.content_type == "text/html; charset=utf-8"
    assert all(shown in response.text for shown in ("#312", "United Kingdom", "#313", "Canada"))


@pytest.mark.parametrize(
    "name",
    [
        *("Nowhere", "Londn", "%", "Lond%", "_ondon", "Londo_", "100%", "\\", "London\\", "'", "´", '"', "🏙"),
        *("' OR 1=1 --", "\\'; DROP TABLE city", "{name}", "{{7*7}}"),
    ],
)
def test_unknown_name_is_plain_text_and_not_found(client: FlaskClient, name: str) -> None:
    response = client.get("/", query_string={"city": name})

    assert response.status_code == 404
    assert response.text == f'City "{name}" not found\n'
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Nowhere", "Nowhere"),
        ('"><script>alert(1)</script>', '"><script>alert(1)</script>'),
        ("\u202enodnoL", "nodnoL"),
        ("\u2069\u202enodnoL", "nodnoL"),
    ],
)
def test_what_was_typed_is_only_text_and_does_not_turn_the_words_around_it(
    client: FlaskClient, typed: str, shown: str
) -> None:
    response = client.get("/", query_string={"city": typed}, headers={"Accept": BROWSER})

    assert response.status_code == 404
    assert f"<h1>City “<bdi>{escape(shown)}</bdi>” not found</h1>" in response.text
    assert f"<title>City “\u2068{escape(shown)}\u2069” not found · " in response.text
    assert f'value="{escape(typed)}"' in response.text
    assert "<script>" not in response.text


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("/", ""),
        ("/?city=london", "City “\u2068london\u2069” is #312 · "),
        ("/docs", "API · "),
        ("/nowhere", "Not found · "),
        ("/pool", "Connection pool · "),
    ],
)
def test_each_tab_has_the_name_of_the_service(client: FlaskClient, address: str, title: str) -> None:
    service = client.get("/openapi.json").get_json()["info"]["title"]

    assert f"<title>{title}{service}</title>" in client.get(address, headers={"Accept": BROWSER}).text


def test_without_a_city_text_clients_read_two_lines_of_usage(client: FlaskClient) -> None:
    response = client.get("/")

    assert response.status_code == 200
    assert len(response.text.splitlines()) == 2
    assert "?city=London" in response.text


def test_without_a_city_browsers_get_the_form_which_needs_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/", headers={"Accept": BROWSER}).text

    assert '<input id="city" name="city"' in page
    assert "//" not in page.replace("<!doctype html>", "")
    for address in ("/static/style.css", "/static/icon.svg", "/cities/static/search.js", "/cities/static/cities.css"):
        assert address in page
        with client.get(address) as asset:
            assert asset.status_code == 200


@pytest.mark.parametrize("accept", ["text/plain", "application/json", "text/html"])
def test_same_answer_is_not_sent_twice(client: FlaskClient, accept: str) -> None:
    first = client.get("/?city=London", headers={"Accept": accept})

    second = client.get("/?city=London", headers={"Accept": accept, "If-None-Match": first.headers["ETag"]})
    other = client.get("/?city=Paris", headers={"Accept": accept, "If-None-Match": first.headers["ETag"]})

    assert (second.status_code, second.data) == (304, b"")
    assert second.headers["Vary"] == "Accept"
    assert second.headers["Cache-Control"] == "no-cache"
    assert other.status_code != 304


def test_representations_have_different_tags(client: FlaskClient) -> None:
    tags = {client.get("/?city=London", headers={"Accept": a}).headers["ETag"] for a in ("text/plain", "text/html")}

    assert len(tags) == 2
