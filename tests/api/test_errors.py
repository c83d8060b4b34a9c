from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.asking import API_PATH, LOOKUP, PATH
from tests.support.problems import assert_problem

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
PATHS = ["/nowhere", "/api", "/api/", "/api/v1", "/api/v1/nothing", f"{API_PATH}/", "/docs/", "/static/none.css"]


@pytest.mark.parametrize("path", PATHS)
def test_unknown_address_is_a_problem_for_json_clients(client: FlaskClient, path: str) -> None:
    assert_problem(client.get(path, headers={"Accept": "application/json"}), 404, "not-found")


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json"])
def test_api_answers_in_problem_documents_whoever_asks(client: FlaskClient, accept: str) -> None:
    assert_problem(client.get("/api/v1/nothing", headers={"Accept": accept}), 404, "not-found")
    assert_problem(client.delete(API_PATH, headers={"Accept": accept}), 405, "method-not-allowed", "DELETE")


def test_text_client_reads_one_plain_sentence(client: FlaskClient) -> None:
    response = client.get("/nowhere")

    assert response.status_code == 404
    assert response.text == "Nothing is at this address.\n"
    assert response.content_type == "text/plain; charset=utf-8"


def test_browser_gets_a_page(client: FlaskClient) -> None:
    response = client.get("/nowhere", headers={"Accept": "text/html"})

    assert response.status_code == 404
    assert "<h1>Not found</h1>" in response.text


@pytest.mark.parametrize("accept", ["text/plain", "text/html", "application/json"])
def test_wrong_method_lists_the_right_ones(client: FlaskClient, accept: str) -> None:
    response = client.post(LOOKUP, headers={"Accept": accept})

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_nothing_acceptable_is_refused_with_the_offer(client: FlaskClient) -> None:
    response = client.get(LOOKUP, headers={"Accept": "image/png"})

    assert response.status_code == 406
    assert "text/html" in response.text


def test_client_that_names_problem_documents_gets_them(client: FlaskClient) -> None:
    accept = {"Accept": "text/plain, application/problem+json"}

    assert_problem(client.get(f"{PATH}?name=", headers=accept), 400, "bad-request")


@pytest.mark.parametrize(
    "accept", ["application/json; charset=utf-8", "text/html;level=1", "text/plain; charset=utf-8"]
)
def test_parameters_of_a_media_type_do_not_matter(client: FlaskClient, accept: str) -> None:
    response = client.get(LOOKUP, headers={"Accept": accept})

    assert response.status_code == 200
    assert response.mimetype == accept.partition(";")[0]


def test_options_refuses_nobody(client: FlaskClient) -> None:
    assert client.options(API_PATH, headers={"Accept": "text/html"}).status_code == 200
