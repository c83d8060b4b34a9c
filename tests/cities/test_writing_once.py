"""Each of the writes of cities, repeated with its key or sent by many at once; more: tests/api/test_idempotency.py."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from testkit.databases import Database
from tests.cities.client import CITIES, Api, a_name, times_kept
from tests.support.problems import assert_problem


def a_key() -> str:
    return secrets.token_hex(8)


def test_a_change_is_answered_the_same_although_its_version_is_gone(api: Api) -> None:
    added, key = api.add(a_name()), a_key()
    body = {"name": a_name(), "country_id": 3}

    for method in ("PUT", "PATCH", "DELETE"):
        first, second = (api.change(method, added, body, Idempotency_Key=key + method) for _ in range(2))

        assert first.status_code in (200, 204)
        assert (second.status_code, second.data) == (first.status_code, first.data)
        assert second.headers.get("ETag") == first.headers.get("ETag")
        added = api.add(a_name())


def test_another_request_with_the_same_key_is_refused(api: Api, writable: Database) -> None:
    name, key = a_name(), a_key()
    body = {"name": name, "country_id": 1}
    headers = {"Idempotency-Key": key, "If-Match": "*"}
    path = api.add(a_name()).location or ""
    assert api.send("PUT", path, json=body, headers=headers).status_code == 200

    another_body = api.send("PUT", path, json={**body, "country_id": 2}, headers=headers)
    another_method = api.send("PATCH", path, json=body, headers=headers)
    another_path = api.send("PUT", f"{CITIES}/1", json=body, headers=headers)
    another_query = api.send("PUT", f"{path}?x=1", json=body, headers=headers)

    for response in (another_body, another_method, another_path, another_query):
        assert_problem(response, 422, "idempotency-key-reused")
    assert times_kept(writable, name) == 1


def test_a_refusal_is_not_remembered(api: Api, writable: Database) -> None:
    added, key, body = api.add(a_name()), a_key(), {"name": a_name()}

    refused = api.change("PATCH", added, body, Idempotency_Key=key, If_Match='"another"')
    kept = api.change("PATCH", added, body, Idempotency_Key=key)

    assert (refused.status_code, kept.status_code) == (412, 200)


@pytest.mark.parametrize("round_", range(4))
def test_of_many_who_saw_the_same_version_at_the_same_time_one_changes_it(
    api: Api, writing_app: Flask, round_: int
) -> None:
    """Without a key each is a request of its own; only the lock and If-Match tell them apart."""
    added, number = api.add(a_name()), 6
    together = threading.Barrier(number)

    def change() -> int:
        client = Api(writing_app)
        together.wait(10)
        return client.change("PATCH", added, {"name": a_name()}).status_code

    with ThreadPoolExecutor(number) as threads:
        statuses = Counter(each.result() for each in [threads.submit(change) for _ in range(number)])

    assert statuses[200] == 1, statuses
    assert set(statuses) <= {200, 412, 503, 504}, statuses  # the last are those who could not wait so long


def test_the_longest_name_of_the_longest_characters_is_answered_the_same(api: Api, writable: Database) -> None:
    name, key = "\U0002070e" * 50, a_key()

    first, again = (api.add(name, Idempotency_Key=key) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json()["name"] == name
    assert again.data == first.data
    assert times_kept(writable, name) == 1
