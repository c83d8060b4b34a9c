"""What comes with every page of cities, and what comes instead of one while the database is away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from testkit.processes import free_port
from tests.cities.conftest import on_one_server
from tests.conftest import dispose
from tests.support.protected import assert_nothing_inline, assert_protected

HTML = {"Accept": "text/html"}
PAGES = ["/", "/?city=London", "/?city=Lundon", "/?city=x", "/countries/23"]


@on_one_server
@pytest.mark.parametrize("address", [*PAGES, "/cities/static/search.js", "/api/v1/cities"])
def test_only_our_own_files_may_run_or_be_asked(client: FlaskClient, address: str) -> None:
    with client.get(address, headers={"Accept": "*/*", "Origin": "https://elsewhere.example"}) as response:
        assert_protected(response.headers)


@on_one_server
@pytest.mark.parametrize("address", PAGES)
def test_no_script_or_style_is_written_into_a_page(client: FlaskClient, address: str) -> None:
    assert_nothing_inline(client.get(address, headers=HTML).text)


def test_a_page_without_its_database_says_when_and_keeps_what_was_typed(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL=f"mysql://user:password@127.0.0.1:{free_port()}/none", REQUEST_DEADLINE_SECONDS="1")

    response = app.test_client().get("/", query_string={"city": 'O"Hara'}, headers=HTML)
    dispose(app)  # so that nobody goes on knocking

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert "The database is away" in response.text
    assert "Nothing can be looked up at the moment. What you typed is kept." in response.text
    assert 'data-retry="1"' in response.text
    assert 'value="O&#34;Hara"' in response.text
    assert 'http-equiv="refresh"' not in response.text
