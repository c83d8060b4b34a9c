import re
from html import unescape
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.cities.queries import Cursor
from app.cities.shapes import encode_cursor
from tests.support.problems import assert_problem

# A cursor is whatever we handed out: no schema can describe it, so the machine gets ours.
cursors = st.builds(Cursor, st.text("abcxyz '", max_size=20), st.integers(1, 2_147_483_647)).map(encode_cursor)
schemathesis.openapi.format("cursor", cursors)

OPERATIONS = [
    "/",
    "/api/v1/cities",
    "/api/v1/cities/{city_id}",
    "/api/v1/countries",
    "/api/v1/countries/{country_id}",
    "/api/v1/countries/{country_id}/cities",
    "/livez",
    "/readyz",
]


def test_description_is_openapi_3_1_and_names_every_operation(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()

    assert document["openapi"] == "3.1.0"
    assert list(document["paths"]) == OPERATIONS


def test_every_reference_leads_somewhere(client: FlaskClient) -> None:
    response = client.get("/openapi.json")

    named = set(re.findall(r'"#/components/schemas/(\w+)"', response.text))
    assert named == set(response.get_json()["components"]["schemas"])


def test_description_is_not_sent_twice(client: FlaskClient) -> None:
    tag = client.get("/openapi.json").headers["ETag"]

    assert client.get("/openapi.json", headers={"If-None-Match": tag}).status_code == 304


def test_docs_show_every_operation_and_need_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/docs", headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert all(f"GET</span> {path}</h2>" in page.text for path in OPERATIONS)
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
    described = schemathesis.openapi.from_wsgi("/openapi.json", app)
    operation = described[path]["GET"]
    usual, odd = (
        operation.as_strategy(generation_mode=mode)
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    )

    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=usual | odd if operation.query or operation.path_parameters else usual)
    def run(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate()

    run()
