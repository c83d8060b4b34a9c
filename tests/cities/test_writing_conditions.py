"""If-Match and If-None-Match on each write: what holds, what does not, and what is neither (RFC 9110, 13)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from testkit.databases import Database
from tests.cities.client import CITIES, Api, a_name, times_kept
from tests.support.problems import assert_problem

CHANGES = ("PUT", "PATCH", "DELETE")
MALFORMED = [
    *("", " ", ",", "abc", '"abc', 'abc"', "'abc'", 'w/"abc"', 'W/ "abc"', '"a" "b"', '"a b"', '*, "a"', '"a", *'),
    '"\x7f"',
]


def body() -> dict[str, Any]:
    return {"name": a_name(), "country_id": 1}


@pytest.mark.parametrize("method", CHANGES)
@pytest.mark.parametrize("tags", ["*", "{tag}", "W/{tag}", '"another", {tag}', " * "])
def test_what_is_there_is_not_changed_by_who_wants_it_not_to_be(api: Api, method: str, tags: str) -> None:
    added = api.add(a_name())
    unseen = tags.format(tag=added.headers["ETag"])

    for headers in ({}, {"If-Match": "*"}, {"If-Match": added.headers["ETag"]}):
        answer = api.send(method, added.location or "", json=body(), headers={**headers, "If-None-Match": unseen})

        assert_problem(answer, 412, "precondition-failed", "If-None-Match")
    assert api.client.get(added.location or "").headers["ETag"] == added.headers["ETag"]


@pytest.mark.parametrize("method", CHANGES)
def test_not_to_be_another_version_is_no_word_of_this_one(api: Api, method: str) -> None:
    added = api.add(a_name())

    without = api.send(method, added.location or "", json=body(), headers={"If-None-Match": '"another"'})
    together = api.change(method, added, body(), If_None_Match='"another"')

    assert_problem(without, 428, "precondition-required")
    assert together.status_code in (200, 204)


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("tags", MALFORMED, ids=ascii)
def test_what_is_no_list_of_tags_is_told(api: Api, writable: Database, name: str, tags: str) -> None:
    added, wanted = api.add(a_name()), body()

    changes = [
        api.send(method, added.location or "", json=body(), headers={"If-Match": "*", name: tags}) for method in CHANGES
    ]
    addition = api.send("POST", json=wanted, headers={name: tags})

    for answer in (*changes, addition):
        assert_problem(answer, 400, "bad-request", f"{name} is neither * nor a list of entity tags")
    assert times_kept(writable, wanted["name"]) == 0
    assert api.client.get(added.location or "").headers["ETag"] == added.headers["ETag"]


LISTS = ["{tag}", " {tag}\t", ",, {tag}", '"a,b" ,{tag},', '"W/",W/"x",,{tag} ,"é"', '"", {tag}']


@pytest.mark.parametrize("tags", LISTS, ids=ascii)
def test_a_list_may_be_written_in_many_ways(api: Api, tags: str) -> None:
    added = api.add(a_name())

    answer = api.change("PATCH", added, {}, If_Match=tags.format(tag=added.headers["ETag"]))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers", [{"If-Match": '"abc"'}, {"If-Match": 'W/"abc"'}, {"If-None-Match": "*"}, {"If-None-Match": '"abc"'}]
)
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "conditions"}])
def test_what_is_added_to_has_no_versions(
    api: Api, writable: Database, headers: dict[str, str], key: dict[str, str]
) -> None:
    wanted = body()

    answer = api.send("POST", json=wanted, headers=headers | key)

    assert_problem(answer, 412, "precondition-failed", "has no versions")
    assert times_kept(writable, wanted["name"]) == 0


def test_that_the_list_is_there_is_true(api: Api) -> None:
    assert api.send("POST", json=body(), headers={"If-Match": "*"}).status_code == 201


def test_a_city_that_is_not_there_is_not_found_first(api: Api) -> None:
    """Conditions count only where all else would go well (RFC 9110, 13.2.1)."""
    for method in CHANGES:
        answer = api.send(method, f"{CITIES}/30000", json=body(), headers={"If-None-Match": "*"})

        assert_problem(answer, 404, "not-found")


def test_a_header_of_blanks_and_commas_takes_no_time(api: Api) -> None:
    added, began = api.add(a_name()), time.monotonic()

    answer = api.change("PATCH", added, {}, If_Match='"a"' + " \t, " * 2000 + "x")

    assert_problem(answer, 400, "bad-request")
    assert time.monotonic() - began < 5
