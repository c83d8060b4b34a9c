"""What comes with every page, and what comes instead of one while the database is away."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from testkit.processes import free_port
from tests.conftest import dispose

HTML = {"Accept": "text/html"}


def test_a_page_without_its_database_says_when_and_keeps_what_was_typed(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL=f"mysql://user:password@127.0.0.1:{free_port()}/none", REQUEST_DEADLINE_SECONDS="1")

    response = app.test_client().get("/", query_string={"city": 'O"Hara'}, headers=HTML)
    dispose(app)  # so that nobody goes on knocking

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert "The database is away" in response.text
    assert 'data-retry="1"' in response.text
    assert 'value="O&#34;Hara"' in response.text
    assert 'http-equiv="refresh"' not in response.text


ANSWERS = [
    "/",
    "/?city=London",
    "/?city=x",
    "/countries/23",
    "/docs",
    "/static/search.js",
    "/api/v1/cities",
    "/nowhere",
]


@pytest.mark.parametrize("address", ANSWERS)
def test_only_our_own_files_may_run_or_be_asked(client: FlaskClient, address: str) -> None:
    with client.get(address, headers={"Accept": "*/*", "Origin": "https://elsewhere.example"}) as response:
        headers = response.headers

    assert headers.getlist("Content-Security-Policy") == [
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Permissions-Policy"] == "camera=(), geolocation=(), microphone=()"
    assert "Strict-Transport-Security" not in headers
    assert [name for name in dict(headers) if name.startswith("Access-Control-")] == []


@pytest.mark.parametrize("address", ["/", "/api/v1/cities"])
def test_another_origin_is_promised_nothing_beforehand(client: FlaskClient, address: str) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}

    response = client.options(address, headers=asked)

    assert response.status_code == 200
    assert [name for name in dict(response.headers) if name.startswith("Access-Control-")] == []


@pytest.mark.parametrize("address", ["/", "/?city=London", "/?city=Lundon", "/countries/23", "/docs", "/nowhere"])
def test_no_script_or_style_is_written_into_a_page(client: FlaskClient, address: str) -> None:
    page = client.get(address, headers=HTML).text

    assert re.findall(r"<script(?! src=\"/static/)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page) == []
