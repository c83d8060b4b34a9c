"""Behind a sub-path (SCRIPT_NAME): every address that an answer names leads back below it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.asking import LOOKUP

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
BELOW = "/towns"
PAGES = [LOOKUP, "/docs", "/nowhere", "/pool"]


def ask(client: FlaskClient, path: str, accept: str = "application/json") -> TestResponse:
    environ = {"SCRIPT_NAME": BELOW, "REMOTE_ADDR": "127.0.0.1"}
    return client.get(path, headers={"Accept": accept}, environ_overrides=environ)


def leads_below(address: str, path: str) -> bool:
    """Tell whether a client that read this address in the answer from that path stays below."""
    found = urlsplit(urljoin(f"http://localhost{BELOW}{path}", address))
    return found.netloc != "localhost" or found.path.startswith(f"{BELOW}/")


@pytest.mark.parametrize("path", PAGES)
def test_every_address_in_a_page(client: FlaskClient, path: str) -> None:
    page = ask(client, path, "text/html").text
    addresses = re.findall(r'(?:href|src|action|data-\w+)="([^"]*/[^"]*)"', page)

    assert addresses
    assert [address for address in addresses if not leads_below(address, path)] == []


def test_a_problems_type(client: FlaskClient) -> None:
    document = ask(client, "/api/v1/nothing").get_json()

    assert document["type"] == f"{BELOW}/problems/not-found"
    assert ask(client, "/problems/not-found").headers["Location"].startswith(f"{BELOW}/docs#")


@pytest.mark.parametrize("below", ["/städte", "/my towns"])
def test_what_a_document_names_is_a_uri(client: FlaskClient, below: str) -> None:
    def ask(path: str) -> Any:
        environ = {"SCRIPT_NAME": below.encode().decode("latin-1")}
        return client.get(path, headers={"Accept": "application/json"}, environ_overrides=environ).json

    named = [ask("/api/v1/nothing")["type"], ask("/openapi.json")["servers"][0]["url"] + "/"]

    assert [address for address in named if not address.startswith(f"{quote(below)}/")] == []


def test_the_description_names_where_it_is(client: FlaskClient) -> None:
    assert ask(client, "/openapi.json").get_json()["servers"] == [{"url": BELOW}]
    assert "servers" not in client.get("/openapi.json").get_json()
