"""Idempotency-Key: a request that is repeated is answered as it was, and nothing is written twice, in whatever room."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Blueprint, Flask, Response
from sqlalchemy import func, insert, select, text, update
from werkzeug.test import TestResponse

from app import idempotency
from app.bodies import StrictBody, read_body
from app.idempotency import Answer, Connection, IdempotencyKey, write
from app.tokens import require_token
from testkit.databases import Database, alembic, database_with
from testkit.servers import Server
from tests.support.ledger import ledger, metadata
from tests.support.problems import assert_problem

# To the table of keys both are one.
pytestmark = pytest.mark.long_form("mariadb118", "1", "2")
ON_SQLITE = pytest.mark.parametrize("server", ["sqlite"], indirect=True, scope="session")

TOKEN = "a-token-for-the-tests-alone"
PATH = "/api/ledger"


class Entry(StrictBody):
    """What is written."""

    nonce: str


def a_room() -> Blueprint:
    """Return a room that writes, as docs/writing.md has it."""
    bp = Blueprint("ledger", __name__)
    bp.before_request(require_token)

    @bp.post(PATH)
    def add() -> Response:
        entry = read_body(Entry)

        def work(connection: Connection) -> Answer:
            made = connection.execute(insert(ledger), {"nonce": entry.nonce, "part": 0})
            (number,) = made.inserted_primary_key or (0,)
            return Answer.of(entry, 201, Location=f"{PATH}/{number}")

        return write(work)

    @bp.post(f"{PATH}/long")
    def add_long() -> Response:
        return write(lambda _: Answer.of(Entry(nonce="x" * 70_000), 201))

    return bp


@pytest.fixture(scope="module")
def writable(server: Server) -> Iterator[Database]:
    with database_with(server, metadata) as made:
        yield made


@pytest.fixture(scope="module")
def service(writable: Database, make_lasting_app: Callable[..., Flask]) -> Flask:
    app = make_lasting_app(DATABASE_URL=writable.url, API_TOKEN=TOKEN, ACCESS_LOG="off")
    app.register_blueprint(a_room())
    return app


class Api:
    """Adds entries."""

    def __init__(self, service: Flask) -> None:
        self._client = service.test_client()

    def add(self, nonce: str, key: str | None, path: str = PATH) -> TestResponse:
        headers = {"Authorization": f"Bearer {TOKEN}"} | ({} if key is None else {"Idempotency-Key": key})
        return self._client.post(path, json={"nonce": nonce}, headers=headers)


@pytest.fixture
def api(service: Flask) -> Api:
    return Api(service)


def a_key() -> str:
    return secrets.token_hex(8)


def times_kept(database: Database, nonce: str) -> int:
    with database.connect() as connection:
        return connection.scalar(select(func.count()).select_from(ledger).where(ledger.c.nonce == nonce)) or 0


def told(response: TestResponse) -> tuple[Any, ...]:
    """Return what a client is told, without what is of this one request: its id, its times."""
    headers = {name: value for name, value in response.headers if name not in ("X-Request-ID", "Server-Timing")}
    return response.status_code, headers, response.data


def keys_kept(database: Database) -> int:
    with database.connect() as connection:
        return connection.scalar(select(func.count()).select_from(IdempotencyKey)) or 0


def test_the_same_request_is_answered_the_same(api: Api, writable: Database) -> None:
    nonce, key = a_key(), a_key()

    first, *others = [api.add(nonce, each) for each in (key, key, f'"{key}"')]

    assert first.status_code == 201
    assert [told(each) for each in others] == [told(first)] * 2
    assert times_kept(writable, nonce) == 1


def test_another_key_is_another_request_and_case_matters(api: Api, writable: Database) -> None:
    nonce, key = a_key(), "Key-" + a_key()

    for each in (key, key.lower(), a_key()):
        assert api.add(nonce, each).status_code == 201

    assert times_kept(writable, nonce) == 3


@ON_SQLITE
@pytest.mark.parametrize("key", ["", '""', '"', "a b", "ä", "a\tb", "x" * 129, '"x', "a,b"])
def test_what_is_no_key_is_refused(api: Api, writable: Database, key: str) -> None:
    nonce = a_key()

    response = api.add(nonce, key)

    assert_problem(response, 400, "bad-request", "Idempotency-Key")
    assert times_kept(writable, nonce) == 0


@pytest.mark.parametrize("round_", range(3))
def test_of_many_at_the_same_time_one_is_written_and_all_read_of_it(
    api: Api, writable: Database, service: Flask, round_: int
) -> None:
    nonce, key, number = a_key(), a_key(), 6
    together = threading.Barrier(number)

    def add() -> TestResponse:
        client = Api(service)
        together.wait(10)
        return client.add(nonce, key)

    with ThreadPoolExecutor(number) as threads:
        answers = [each.result() for each in [threads.submit(add) for _ in range(number)]]

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[201] >= 1
    assert set(statuses) <= {201, 503, 504}, statuses  # who could not wait so long was told that it was not kept
    assert len({answer.location for answer in answers if answer.status_code == 201}) == 1
    assert times_kept(writable, nonce) == 1
    assert told(api.add(nonce, key))[0] == 201


def expire(database: Database, key: str, seconds: int) -> None:
    hashed = idempotency._hash(key.encode())
    with database.connect() as connection:
        later = IdempotencyKey.expires_at - seconds
        changed = connection.execute(
            update(IdempotencyKey).where(IdempotencyKey.key_hash == hashed).values(expires_at=later)
        )
        assert changed.rowcount == 1


def test_a_key_is_good_for_a_day_and_then_new(api: Api, writable: Database) -> None:
    nonce, key = a_key(), a_key()
    first = api.add(nonce, key)

    expire(writable, key, idempotency.KEPT_SECONDS - 60)
    within = api.add(nonce, key)
    expire(writable, key, 60)
    after = api.add(nonce, key)
    again = api.add(nonce, key)

    assert told(within) == told(first)
    assert after.location != first.location
    assert told(again) == told(after)
    assert times_kept(writable, nonce) == 2


def key_that_sweeps() -> str:
    return next(key for key in iter(a_key, "") if idempotency._hash(key.encode()).startswith("00"))


def test_what_has_expired_is_removed_by_one_key_in_256(
    api: Api, writable: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "SWEPT_AT_ONCE", 3)
    old, young = [a_key() for _ in range(4)], a_key()
    for key in (*old, young):
        api.add(a_key(), key)
    for key in old:
        expire(writable, key, idempotency.KEPT_SECONDS)
    before = keys_kept(writable)

    api.add(a_key(), key_that_sweeps())
    after_one = keys_kept(writable)
    api.add(a_key(), key_that_sweeps())

    assert after_one == before + 1 - 3
    assert keys_kept(writable) == before + 2 - 4
    assert api.add(a_key(), young).status_code == 422  # remembered still


@ON_SQLITE
def test_another_request_with_the_same_key_is_refused(api: Api, writable: Database) -> None:
    nonce, other, key = a_key(), a_key(), a_key()
    assert api.add(nonce, key).status_code == 201

    for response in (api.add(other, key), api.add(nonce, key, f"{PATH}?x=1")):
        assert_problem(response, 422, "idempotency-key-reused")
    assert (times_kept(writable, nonce), times_kept(writable, other)) == (1, 0)


@ON_SQLITE
def test_without_a_key_each_request_is_another_one(api: Api, writable: Database) -> None:
    nonce = a_key()

    assert {api.add(nonce, None).status_code for _ in range(2)} == {201}
    assert times_kept(writable, nonce) == 2


def test_a_long_answer_is_kept_whole(api: Api, writable: Database) -> None:
    """Longer than 64 KiB, which TEXT on MySQL and MariaDB cannot hold."""
    answers = [api.add("x", "a-long-one", f"{PATH}/long") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(answers[0].data) > 70_000
    assert answers[1].data == answers[0].data


@ON_SQLITE
@pytest.mark.tables
def test_tables_of_somebody_with_an_alembic_of_their_own(
    empty_database: Database, make_app: Callable[..., Flask]
) -> None:
    assert alembic(empty_database.url, "upgrade", "head").returncode == 0
    with empty_database.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'ae1027a6acf'"))
        connection.execute(text("DROP TABLE idempotency_key"))
    app = make_app(DATABASE_URL=empty_database.url, API_TOKEN=TOKEN)
    app.register_blueprint(a_room())

    assert_problem(Api(app).add("x", a_key()), 409, "schema-unsupported")
