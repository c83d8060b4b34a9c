"""What a body may be: refused with what is wrong, field by field where there are fields."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.bodies import MAX_BODY_BYTES, merged
from app.cities.models import City
from testkit.databases import Database
from testkit.waiting import eventually
from tests.cities.client import TOKEN, Api, a_name
from tests.support.problems import assert_problem

# A body is read before a database is asked.
pytestmark = pytest.mark.long_form("mariadb", "mariadb118", "mysql", "postgresql")

GOOD = {"name": "Malung", "country_id": 1}
JSON = {"Content-Type": "application/json"}

NOT_JSON = {
    "empty": b"",
    "half": b'{"name": "Malung"',
    "more": b'{"name": "Malung", "country_id": 1} {}',
    "NaN": b'{"name": "Malung", "country_id": NaN}',
    "Infinity": b'{"name": "Malung", "country_id": -Infinity}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "latin-1": '{"name": "Malmö", "country_id": 1}'.encode("latin-1"),
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "too deep": b"[" * 15_000,
    "deeper than anybody means": b'{"name": ' + b'{"a": ' * 33 + b"1" + b"}" * 34,
    "a control character": b'{"name": "Mal\nung", "country_id": 1}',
}
WRONG_FIELDS: dict[str, tuple[Any, list[str]]] = {
    "a list": ([GOOD], ["#"]),
    "a word": ("Malung", ["#"]),
    "null": (None, ["#"]),
    "nothing": ({}, ["#/name", "#/country_id"]),
    "one missing": ({"name": "Malung"}, ["#/country_id"]),
    "one more": ({**GOOD, "mayor": 1}, ["#/mayor"]),
    "one with a slash": ({**GOOD, "a/b~c d": 1}, ["#/a~1b~0c%20d"]),
    "null for a field": ({**GOOD, "name": None}, ["#/name"]),
    "a number for a name": ({**GOOD, "name": 7}, ["#/name"]),
    "an empty name": ({**GOOD, "name": ""}, ["#/name"]),
    "blanks": ({**GOOD, "name": " \u00a0"}, ["#/name"]),
    "an accent alone": ({**GOOD, "name": "\u0301"}, ["#/name"]),
    "a long name": ({**GOOD, "name": "x" * 51}, ["#/name"]),
    "a line break": ({**GOOD, "name": "Mal\nung"}, ["#/name"]),
    "a NUL": ({**GOOD, "name": "Mal\0ung"}, ["#/name"]),
    "braces": ({**GOOD, "name": "{what}" * 9}, ["#/name"]),
    "a word for an id": ({**GOOD, "country_id": "1"}, ["#/country_id"]),
    "a truth for an id": ({**GOOD, "country_id": True}, ["#/country_id"]),
    "a broken id": ({**GOOD, "country_id": 1.5}, ["#/country_id"]),
    "no id": ({**GOOD, "country_id": 0}, ["#/country_id"]),
    "an id that no column holds": ({**GOOD, "country_id": 2**31}, ["#/country_id"]),
    "an id that no machine holds": ({**GOOD, "country_id": 10**30}, ["#/country_id"]),
    "all": ({"name": "", "country_id": 0, "x": 0}, ["#/name", "#/country_id", "#/x"]),
}
MEDIA_TYPES = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/problem+json",
    "application/merge-patch+json",
)


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_a_bad_request(api: Api, body: bytes) -> None:
    assert_problem(api.send("POST", data=body, headers=JSON), 400, "bad-request", "The body is not")


@pytest.mark.parametrize(("body", "fields"), WRONG_FIELDS.values(), ids=WRONG_FIELDS)
def test_each_field_that_is_wrong_is_named(api: Api, writable: Database, body: Any, fields: list[str]) -> None:
    before = count(writable)

    response = api.send("POST", data=json.dumps(body), headers=JSON)

    assert_problem(response, 422, "invalid-content", fields=fields)
    assert all(each["detail"].startswith("It ") for each in response.get_json()["errors"])
    assert count(writable) == before


def count(database: Database) -> int:
    with database.connect() as connection:
        return connection.scalar(select(func.count()).select_from(City)) or 0


def test_a_refusal_says_what_is_allowed(api: Api) -> None:
    response = api.send("POST", json={**GOOD, "name": "x" * 51})

    [error] = response.get_json()["errors"]
    assert error["detail"] == (
        "It has 51 characters; allowed is a name of 1 to 50 characters, none of control and none that nobody sees."
    )
    assert response.get_json()["detail"] == f"The body cannot be used. #/name: {error['detail']}"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"name": "a", "country_id": 1, "name": "b"}', "#/name"),
        (b'{"x": {"name": 1, "name": 2}}', "#/x/name"),
        (b'{"x": [0, {"a/b~": 1, "a/b~": 2}]}', "#/x/1/a~1b~0"),
        (b'{"x": {"x": {"x": {"": 1, "": 2}}}}', "#/x/x/x/"),
    ],
)
def test_a_name_that_is_given_twice_is_refused(api: Api, body: bytes, pointer: str) -> None:
    response = api.send("POST", data=body, headers=JSON)

    assert_problem(response, 422, "invalid-content", "more than once", [pointer])


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_another_kind_of_body_is_refused_and_told_which(api: Api, media_type: str) -> None:
    response = api.send("POST", data=json.dumps(GOOD), headers={"Content-Type": media_type})

    assert_problem(response, 415, "unsupported-media-type")
    assert response.headers["Accept"] == "application/json"


@pytest.mark.parametrize("headers", [{}, {**JSON, "Content-Encoding": "gzip"}])
def test_so_is_none_and_one_that_is_compressed(api: Api, headers: dict[str, str]) -> None:
    response = api.send("POST", data=json.dumps(GOOD), headers=headers)

    assert_problem(response, 415, "unsupported-media-type")


def test_a_patch_of_another_kind(api: Api) -> None:
    response = api.change("PATCH", api.add(a_name()), {}, Content_Type="application/json-patch+json")

    assert_problem(response, 415, "unsupported-media-type")
    assert response.headers["Accept-Patch"] == "application/merge-patch+json, application/json"


def test_a_charset_says_nothing_to_json(api: Api) -> None:
    response = api.send(
        "POST", data=json.dumps(GOOD).encode(), headers={"Content-Type": "application/json; charset=latin1"}
    )

    assert response.status_code == 201


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 1_000_000])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_long_body_is_not_read(api: Api, method: str, size: int) -> None:
    path = api.add(a_name()).location or ""
    headers = {**JSON, "If-Match": "*", "Idempotency-Key": "long"}

    response = api.send(method, path if method != "POST" else "/api/v1/cities", data=b" " * size, headers=headers)

    assert_problem(response, 413, "content-too-large")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(("more", "status"), [(0, 201), (1, 413), (1_000_000, 413)])
def test_nor_is_one_that_does_not_tell_its_length(api: Api, method: str, more: int, status: int) -> None:
    """Chunked; what fits is JSON by itself, and blanks behind it must not be cut off unseen."""
    path = api.add(a_name()).location or ""
    body = BytesIO(json.dumps(GOOD).encode().ljust(MAX_BODY_BYTES + more))
    headers = {**JSON, "If-Match": "*", "Idempotency-Key": secrets.token_hex(8)}

    response = api.send(
        method,
        path if method != "POST" else "/api/v1/cities",
        input_stream=body,
        environ_overrides={"wsgi.input_terminated": True},
        headers=headers,
    )

    assert response.status_code == (204 if (method, status) == ("DELETE", 201) else status)


def test_the_longest_body_is_read(api: Api) -> None:
    assert api.send("POST", data=json.dumps(GOOD).ljust(MAX_BODY_BYTES), headers=JSON).status_code == 201


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_that_of_the_standard(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


def test_half_of_a_character_that_is_given_twice_is_named_as_well_as_can_be(api: Api) -> None:
    answer = api.send("POST", data=b'{"\\ud83d": 1, "\\ud83d": 2}', headers=JSON)

    assert_problem(answer, 422, "invalid-content", fields=["#/%3F", "#/%3F"])


class Slow(BytesIO):
    """A client whose body comes late."""

    def read(self, size: int | None = -1, /) -> bytes:
        time.sleep(1.2)
        return super().read(size)


def test_a_slow_client_uses_up_nobodys_time(writable: Database, make_app: Callable[..., Flask]) -> None:
    """Its body is here before the deadline begins: the database has all of it, and is not suspected."""
    app = make_app(DATABASE_URL=writable.url, API_TOKEN=TOKEN, REQUEST_DEADLINE_SECONDS="1")
    body = json.dumps({"name": a_name(), "country_id": 1}).encode()
    api = Api(app)
    assert eventually(
        lambda: api.send("POST", json={"name": a_name(), "country_id": 1}).status_code == 201
    )  # connected

    late = api.send("POST", input_stream=Slow(body), content_length=len(body), headers=JSON)

    assert late.status_code == 201
