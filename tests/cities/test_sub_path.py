"""Cities behind a sub-path (SCRIPT_NAME): every address that an answer names leads back below it."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.api.test_sub_path import BELOW, ask, leads_below
from tests.cities.conftest import on_one_server

pytestmark = on_one_server


@pytest.mark.parametrize("path", ["/", "/?city=London", "/?city=Londn", "/?city=", "/countries/20", "/nowhere"])
def test_every_address_in_a_page(client: FlaskClient, path: str) -> None:
    page = ask(client, path, "text/html").text
    addresses = re.findall(r'(?:href|src|action|data-\w+)="([^"]*/[^"]*)"', page)

    assert len(addresses) > 5
    assert [address for address in addresses if not leads_below(address, path)] == []


@pytest.mark.parametrize("below", [BELOW, "/städte", "/my towns"])
def test_the_next_page_of_a_list_is_named_by_a_uri(client: FlaskClient, below: str) -> None:
    environ = {"SCRIPT_NAME": below.encode().decode("latin-1")}

    answer = client.get("/api/v1/cities?limit=1", environ_overrides=environ)

    assert answer.get_json()["next"].startswith(f"{quote(below)}/api/v1/cities?")
