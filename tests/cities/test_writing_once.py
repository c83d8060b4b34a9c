"""Idempotency-Key: a request that is repeated is answered as it was, and nothing is written twice."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from app import idempotency
from app.idempotency import IdempotencyKey
from testkit.databases import Database
from tests.cities.client import CITIES, Api, a_name, times_kept
from tests.support.problems import assert_problem


def a_key() -> str:
    return secrets.token_hex(8)


def told(response: TestResponse) -> tuple[Any, ...]:
    """Return what a client is told; a request's id is of this one request."""
    headers = {name: value for name, value in response.headers if name != "X-Request-ID"}
    return response.status_code, headers, response.data


def keys_kept(database: Database) -> int:
    with database.connect() as connection:
        return connection.scalar(select(func.count()).select_from(IdempotencyKey)) or 0


def test_the_same_request_is_answered_the_same(api: Api, writable: Database) -> None:
    name, key = a_name(), a_key()

    first, *others = [api.add(name, Idempotency_Key=key) for _ in range(3)]

    assert first.status_code == 201
    assert [told(each) for each in others] == [told(first)] * 2
    assert times_kept(writable, name) == 1


def test_so_is_a_change_although_its_version_is_gone(api: Api) -> None:
    added, key = api.add(a_name()), a_key()
    body = {"name": a_name(), "country_id": 3}

    for method in ("PUT", "PATCH", "DELETE"):
        first, second = (api.change(method, added, body, Idempotency_Key=key + method) for _ in range(2))

        assert first.status_code in (200, 204)
        assert told(second) == told(first)
        added = api.add(a_name())


def test_quotation_marks_do_not_matter(api: Api, writable: Database) -> None:
    name, key = a_name(), a_key()

    plain, quoted = api.add(name, Idempotency_Key=key), api.add(name, Idempotency_Key=f'"{key}"')

    assert told(plain) == told(quoted)
    assert times_kept(writable, name) == 1


def test_another_key_is_another_request_and_case_matters(api: Api, writable: Database) -> None:
    name, key = a_name(), "Key-" + a_key()

    for each in (key, key.lower(), a_key()):
        assert api.add(name, Idempotency_Key=each).status_code == 201

    assert times_kept(writable, name) == 3


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


@pytest.mark.parametrize("key", ["", '""', '"', "a b", "ä", "a\tb", "x" * 129, '"x', "a,b"])
def test_what_is_no_key_is_refused(api: Api, writable: Database, key: str) -> None:
    name = a_name()

    response = api.add(name, Idempotency_Key=key)

    assert_problem(response, 400, "bad-request", "Idempotency-Key")
    assert times_kept(writable, name) == 0


@pytest.mark.parametrize("round_", range(3))
def test_of_many_at_the_same_time_one_is_written_and_all_read_of_it(
    api: Api, writable: Database, writing_app: Flask, round_: int
) -> None:
    name, key, number = a_name(), a_key(), 6
    together = threading.Barrier(number)

    def add() -> TestResponse:
        client = Api(writing_app)
        together.wait(10)
        return client.add(name, Idempotency_Key=key)

    with ThreadPoolExecutor(number) as threads:
        answers = [each.result() for each in [threads.submit(add) for _ in range(number)]]

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[201] >= 1
    assert set(statuses) <= {201, 503, 504}, statuses  # who could not wait so long was told that it was not kept
    assert len({answer.location for answer in answers if answer.status_code == 201}) == 1
    assert times_kept(writable, name) == 1
    assert told(api.add(name, Idempotency_Key=key))[0] == 201


def expire(database: Database, key: str, seconds: int) -> None:
    hashed = idempotency._hash(key.encode())
    with database.connect() as connection:
        later = IdempotencyKey.expires_at - seconds
        changed = connection.execute(
            update(IdempotencyKey).where(IdempotencyKey.key_hash == hashed).values(expires_at=later)
        )
        assert changed.rowcount == 1


def test_a_key_is_good_for_a_day_and_then_new(api: Api, writable: Database) -> None:
    name, key = a_name(), a_key()
    first = api.add(name, Idempotency_Key=key)

    expire(writable, key, idempotency.KEPT_SECONDS - 60)
    within = api.add(name, Idempotency_Key=key)
    expire(writable, key, 60)
    after = api.add(name, Idempotency_Key=key)
    again = api.add(name, Idempotency_Key=key)

    assert told(within) == told(first)
    assert after.location != first.location
    assert told(again) == told(after)
    assert times_kept(writable, name) == 2


def key_that_sweeps() -> str:
    return next(key for key in iter(a_key, "") if idempotency._hash(key.encode()).startswith("00"))


def test_what_has_expired_is_removed_by_one_key_in_256(
    api: Api, writable: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "SWEPT_AT_ONCE", 3)
    old, young = [a_key() for _ in range(4)], a_key()
    for key in (*old, young):
        api.add(a_name(), Idempotency_Key=key)
    for key in old:
        expire(writable, key, idempotency.KEPT_SECONDS)
    before = keys_kept(writable)

    api.add(a_name(), Idempotency_Key=key_that_sweeps())
    after_one = keys_kept(writable)
    api.add(a_name(), Idempotency_Key=key_that_sweeps())

    assert after_one == before + 1 - 3
    assert keys_kept(writable) == before + 2 - 4
    assert api.add(a_name(), Idempotency_Key=young).status_code == 422  # remembered still
