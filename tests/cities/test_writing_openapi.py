"""What the description says of writing is true: a machine follows its links from what it has made to what is left."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS
from sqlalchemy import text

from app.parameters import MAX_ID
from testkit.databases import Database
from tests.cities.client import CITIES, TOKEN, Api
from tests.support.kinds import on_one_server

pytestmark = on_one_server  # the others give each run of the machine other ids

WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
ONE = "/api/v1/cities/{city_id}"


def test_each_write_is_described(api: Api) -> None:
    paths = api.client.get("/openapi.json").get_json()["paths"]

    assert list(paths[CITIES]) == ["get", "post"]
    assert list(paths[ONE]) == ["get", "put", "patch", "delete"]
    for operation in (paths[CITIES]["post"], paths[ONE]["put"], paths[ONE]["patch"], paths[ONE]["delete"]):
        assert operation["security"] == [{"token": []}]
        assert "Idempotency-Key" in [each["name"] for each in operation["parameters"]]
        refusals = {"400", "401", "403", "409", "413", "422", "500", "503", "504"}
        assert refusals <= set(operation["responses"])
    for method in ("put", "patch", "delete"):
        operation = paths[ONE][method]
        assert [each["required"] for each in operation["parameters"] if each["name"] == "If-Match"] == [True]
        assert {"404", "412", "428"} <= set(operation["responses"])


def test_links_lead_from_what_was_made_to_all_that_may_be_done_with_it(api: Api) -> None:
    paths = api.client.get("/openapi.json").get_json()["paths"]

    links = paths[CITIES]["post"]["responses"]["201"]["links"]
    assert set(links) == {"show_city", "replace_city", "change_city", "remove_city"}
    assert links["remove_city"] == {
        "operationId": "remove_city",
        "parameters": {"path.city_id": "$response.body#/id", "header.If-Match": "$response.header.ETag"},
    }
    for method in ("get", "put", "patch"):
        assert set(paths[ONE][method]["responses"]["200"]["links"]) == {"replace_city", "change_city", "remove_city"}


def test_docs_show_them(api: Api) -> None:
    page = re.sub("<[^>]+>", "", api.client.get("/docs", headers={"Accept": "text/html"}).text)

    assert f"POST {CITIES}\n" in page
    assert f"DELETE {ONE}\n" in page
    assert "merge-patch+json" in page


ANEW = ("DELETE FROM idempotency_key", "DELETE FROM city", "INSERT INTO city SELECT * FROM city_before")


@pytest.mark.no_cover  # hundreds of times the same lines, which others cover
def test_what_a_machine_makes_up_is_answered_as_described_step_by_step(writable: Database, writing_app: Flask) -> None:
    with writable.connect() as connection:
        connection.execute(text("CREATE TABLE city_before AS SELECT * FROM city"))
    described = schemathesis.openapi.from_wsgi("/openapi.json", writing_app)
    machine: Any = described.include(path_regex=f"^{CITIES}").as_state_machine()
    seen = Counter[tuple[str, int]]()
    # What fits the description may be another version or a city that is not there, so it may be refused.
    refused = [CHECKS.get_one("positive_data_acceptance")]

    class Writing(machine):  # type: ignore[misc] # made at run time
        def setup(self) -> None:
            """Begin with the same rows each time: the machine repeats what it has found."""
            with writable.connect() as connection:
                for statement in ANEW:
                    connection.execute(text(statement))

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": WITH_TOKEN}

        def before_call(self, case: Any) -> None:
            """Let an id that the description allows be one of a country, as most are none."""
            wanted = case.body.get("country_id") if isinstance(case.body, dict) else None
            if type(wanted) is int and 1 <= wanted <= MAX_ID:
                case.body["country_id"] = wanted % 109 + 1

        def validate_response(self, response: Any, case: Any, **more: Any) -> None:
            seen[case.method, response.status_code] += 1
            case.validate_response(response, excluded_checks=refused, headers=WITH_TOKEN, recorder=self.recorder)

    Writing.run(
        settings=settings(
            max_examples=30,
            stateful_step_count=8,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )

    done = {("POST", 201), ("GET", 200), ("PUT", 200), ("PATCH", 200), ("DELETE", 204)}
    assert done <= set(seen), seen
    assert {status for _, status in seen if status >= 500} == set(), seen
