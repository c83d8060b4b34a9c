"""What comes with every page and every other answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from testkit.processes import free_port
from tests.conftest import dispose
from tests.support.asking import API_PATH, LOOKUP
from tests.support.problems import assert_problem
from tests.support.protected import assert_nothing_inline, assert_protected

HTML, JSON = {"Accept": "text/html"}, {"Accept": "application/json"}
ON_SQLITE = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
ANSWERS = ["/", LOOKUP, "/docs", "/static/style.css", API_PATH, "/livez", "/nowhere"]


@ON_SQLITE
@pytest.mark.parametrize("address", ANSWERS)
def test_only_our_own_files_may_run_or_be_asked(client: FlaskClient, address: str) -> None:
    with client.get(address, headers={"Accept": "*/*", "Origin": "https://elsewhere.example"}) as response:
        assert_protected(response.headers)


@ON_SQLITE
@pytest.mark.parametrize("address", [LOOKUP, API_PATH])
def test_another_origin_is_promised_nothing_beforehand(client: FlaskClient, address: str) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}

    response = client.options(address, headers=asked)

    assert response.status_code == 200
    assert [name for name in dict(response.headers) if name.startswith("Access-Control-")] == []


@ON_SQLITE
@pytest.mark.parametrize("address", [LOOKUP, "/docs", "/nowhere"])
def test_no_script_or_style_is_written_into_a_page(client: FlaskClient, address: str) -> None:
    assert_nothing_inline(client.get(address, headers=HTML).text)


def test_a_page_without_its_database_says_when_to_come_again(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL=f"mysql://user:password@127.0.0.1:{free_port()}/none", REQUEST_DEADLINE_SECONDS="1")

    response, document = (app.test_client().get(LOOKUP, headers=accepted) for accepted in (HTML, JSON))
    dispose(app)  # so that nobody goes on knocking

    assert_problem(document, 503, "database-unavailable")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert "The database is away" in response.text
    assert 'data-retry="1"' in response.text
    assert 'http-equiv="refresh"' not in response.text


@ON_SQLITE
@pytest.mark.parametrize("slug", ["not-found", "database-unavailable"])
def test_the_page_of_an_error_needs_no_room(client: FlaskClient, slug: str) -> None:
    """As it is where no room has a page of its own for errors."""
    template = client.application.jinja_env.get_template("error.html")

    with client.application.test_request_context("/x"):
        page = template.render(slug=slug, status=503, title="Trouble", detail="Look <here>.", retry_after="1")

    assert "Look &lt;here&gt;." in page
    assert ("<h1>The database is away</h1>" if slug == "database-unavailable" else "<h1>Trouble</h1>") in page
    assert_nothing_inline(page)
