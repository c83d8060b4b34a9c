import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.described import answered_as_described
from tests.support.problems import assert_problem

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
OPERATIONS = ["/livez", "/readyz"]
"""Those of no room; each room has a test of its own."""


def test_description_is_openapi_3_1_and_is_in_order(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()

    assert document["openapi"] == "3.1.0"
    assert list(document["paths"]) == sorted(document["paths"])
    assert set(document["paths"]) >= set(OPERATIONS)


def test_every_reference_leads_somewhere(client: FlaskClient) -> None:
    response = client.get("/openapi.json")

    named = set(re.findall(r'"#/components/schemas/([\w-]+)"', response.text))
    # Those of no room have no problems to tell.
    assert named | {"ProblemDocument", "FieldProblemDocument"} == set(response.get_json()["components"]["schemas"])


def test_description_is_not_sent_twice(client: FlaskClient) -> None:
    tag = client.get("/openapi.json").headers["ETag"]

    assert client.get("/openapi.json", headers={"If-None-Match": tag}).status_code == 304


def read_aloud(page: str) -> str:
    """Return the text of a page without its elements, a line as it stands in the page."""
    return "\n".join(line.strip() for line in unescape(re.sub("<[^>]+>", "", page)).splitlines())


def test_docs_show_every_operation_and_need_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/docs", headers={"Accept": "text/html"})

    assert page.status_code == 200
    operations = set(re.findall(r"^(?:GET|POST|PUT|PATCH|DELETE) /.*$", read_aloud(page.text), re.MULTILINE))
    paths = client.get("/openapi.json").get_json()["paths"]
    assert operations == {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=\"(https?:)?//", page.text)
    for anchor in re.findall(r'href="#([^"]+)"', page.text):
        assert f'id="{anchor}"' in unescape(page.text)


def test_type_of_a_problem_leads_to_its_explanation(client: FlaskClient) -> None:
    response = client.get("/problems/pool-exhausted")

    assert response.status_code == 303
    assert response.location == "/docs#problem-pool-exhausted"
    assert 'id="problem-pool-exhausted"' in client.get("/docs").text


def test_unknown_problem_is_not_found(client: FlaskClient) -> None:
    assert_problem(client.get("/problems/x", headers={"Accept": "application/json"}), 404, "not-found")


@pytest.mark.no_cover  # hundreds of times the same lines, which others cover: measuring them takes half the time
@pytest.mark.parametrize("path", OPERATIONS)
def test_what_a_machine_makes_up_is_answered_as_described(app: Flask, path: str) -> None:
    answered_as_described(app, path)
