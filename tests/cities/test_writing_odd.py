"""Requests that are broken or say odd things: nothing is changed by halves, and each is told what is wrong."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from app.bodies import MAX_BODY_BYTES, MAX_DEPTH
from testkit.databases import Database
from tests.cities.client import CITIES, Api, a_name, times_kept
from tests.support.problems import assert_problem

JSON = {"Content-Type": "application/json"}
METHODS = ("POST", "PUT", "PATCH", "DELETE")
CHUNKED = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}


class Broken(BytesIO):
    """A chunked body whose client goes away."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("no more data")


def body() -> dict[str, Any]:
    return {"name": a_name(), "country_id": 1}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "cut-off"}])
def test_half_a_request_does_nothing(api: Api, writable: Database, method: str, key: dict[str, str]) -> None:
    """What came of it is JSON by itself, or for DELETE needs not be read."""
    added, wanted = api.add(a_name()), body()
    path = CITIES if method == "POST" else added.location or ""
    headers = {**JSON, "If-Match": "*", **key}
    content = json.dumps(wanted).encode()

    more = {"CONTENT_LENGTH": str(len(content) + 1)}
    short = api.send(method, path, input_stream=BytesIO(content), environ_overrides=more, headers=headers)
    chunked = api.send(method, path, input_stream=Broken(), environ_overrides=CHUNKED, headers=headers)

    for answer in (short, chunked):
        assert_problem(answer, 400, "bad-request", "The body is not whole")
    assert times_kept(writable, wanted["name"]) == 0
    assert api.client.get(added.location or "").headers["ETag"] == added.headers["ETag"]


@pytest.mark.parametrize("method", METHODS)
def test_a_body_of_another_coding_is_not_read(api: Api, method: str) -> None:
    added = api.add(a_name())
    path = CITIES if method == "POST" else added.location or ""

    gzip, chunked = (
        api.send(
            method,
            path,
            input_stream=BytesIO(json.dumps(body()).encode()),
            environ_overrides=CHUNKED | {"HTTP_TRANSFER_ENCODING": coding},
            headers={**JSON, "If-Match": "*"},
        )
        for coding in ("gzip, chunked", "Chunked")
    )

    assert_problem(gzip, 501, "not-implemented", "no other transfer coding")
    assert chunked.status_code in (200, 201, 204)


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "too-long"}])
def test_a_long_body_is_refused_where_none_is_wanted(api: Api, key: dict[str, str]) -> None:
    path = api.add(a_name()).location or ""

    answer = api.send("DELETE", path, data=b"x" * (MAX_BODY_BYTES + 1), headers={"If-Match": "*", **key})

    assert_problem(answer, 413, "content-too-large")
    assert api.client.get(path).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_range_is_not_taken_for_the_whole(api: Api, method: str) -> None:
    added = api.add(a_name())
    headers = {"If-Match": "*", "Content-Range": "bytes 0-3/100"}

    answer = api.send(method, CITIES if method == "POST" else added.location or "", json=body(), headers=headers)

    assert_problem(answer, 400, "bad-request", "Content-Range")
    assert api.client.get(added.location or "").headers["ETag"] == added.headers["ETag"]


def test_a_read_of_another_version_is_told_and_shows_none(api: Api) -> None:
    path = api.add(a_name()).location or ""

    answer = api.client.get(path, headers={"If-Match": '"another"'})

    assert_problem(answer, 412, "precondition-failed")
    assert api.client.get(path, headers={"If-Match": api.client.get(path).headers["ETag"]}).status_code == 200


@pytest.mark.parametrize("coding", ["identity", "Identity", "IDENTITY", "", " identity , Identity"])
def test_a_coding_that_is_none_is_read(api: Api, coding: str) -> None:
    assert api.send("POST", json=body(), headers={"Content-Encoding": coding}).status_code == 201


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "identity, gzip", "br", "x"])
def test_one_that_is_none_of_ours_is_told(api: Api, coding: str) -> None:
    answer = api.send("POST", json=body(), headers={"Content-Encoding": coding})

    assert_problem(answer, 415, "unsupported-media-type", "not compressed")
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("media_type", ["APPLICATION/JSON", 'Application/Json; Charset="UTF-8"'])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_words_without_case_have_none(api: Api, media_type: str, scheme: str) -> None:
    token = api.send("GET").request.headers["Authorization"].partition(" ")[2]
    headers = {"Content-Type": media_type, "Authorization": f"{scheme} {token}"}

    assert api.send("POST", data=json.dumps(body()), headers=headers).status_code == 201


def test_a_number_beyond_all_numbers_is_an_error_of_its_field(api: Api) -> None:
    for number in ("1e400", "-1e400", "1" + "0" * 400 + ".0", "9" * 5000, "-" + "9" * 5000):
        answer = api.send("POST", data=f'{{"name": "x", "country_id": 1, "more": [{number}]}}', headers=JSON)

        assert_problem(answer, 422, "invalid-content", "too large a number", ["#/more/0"])


NUMBERS = [("1.0", 201), ("1e0", 201), ("10e-1", 201), ("1.5", 422), ("1e300", 422)]


@pytest.mark.parametrize(("number", "status"), NUMBERS)
def test_a_whole_number_may_be_written_in_many_ways(api: Api, number: str, status: int) -> None:
    answer = api.send("POST", data=f'{{"name": "{a_name()}", "country_id": {number}}}', headers=JSON)

    assert answer.status_code == status


@pytest.mark.parametrize(("depth", "status"), [(MAX_DEPTH - 1, 422), (MAX_DEPTH, 400)])
def test_what_is_nested_too_deep_is_told(api: Api, depth: int, status: int) -> None:
    answer = api.send("POST", data='{"x": ' + "[" * depth + "]" * depth + "}", headers=JSON)

    assert answer.status_code == status
    assert status == 422 or f"more than {MAX_DEPTH} deep" in answer.text


def test_an_answer_is_not_many_times_as_long_as_what_it_refuses(api: Api) -> None:
    for content in (
        "{" + ",".join(f'"{number}":1' for number in range(1500)) + "}",
        "{" + ",".join('"a":1,"a":{}' for _ in range(1000)) + "}",
        "{" + ",".join('"a":"\\ud83d"' for _ in range(1000)) + "}",
    ):
        answer = api.send("POST", data=content, headers=JSON)

        assert answer.status_code == 422
        assert len(answer.data) < len(content)
