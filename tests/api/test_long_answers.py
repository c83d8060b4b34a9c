"""The answer to a write is kept whole on every database, or is none: one that is too long is a fault of the room."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from flask import Blueprint, Flask, Response
from sqlalchemy import func, insert, select
from werkzeug.test import TestResponse

from app.bodies import MAX_BODY_BYTES, StrictBody, read_body
from app.idempotency import MOST_BODY_BYTES, MOST_HEADER_BYTES, Answer, Connection, IdempotencyKey, write
from testkit.databases import Database, database_with
from testkit.servers import Server
from tests.support.ledger import ledger, metadata
from tests.support.problems import assert_problem

PATH = "/api/echo"


class Text(StrictBody):
    text: str


def a_room() -> Blueprint:
    """Return a room that tells a body again, in the answer and in its address, or so many bytes of its own."""
    bp = Blueprint("echo", __name__)

    @bp.post(PATH)
    def echo() -> Response:
        wanted = read_body(Text)
        return write(lambda _: Answer.of(wanted, 201, Location=f"{PATH}/{quote(wanted.text, safe='')}"))

    @bp.post(f"{PATH}/<int:body>/<int:header>")
    def make(body: int, header: int) -> Response:
        def work(connection: Connection) -> Answer:
            connection.execute(insert(ledger), {"nonce": read_body(Text).text, "part": 0})
            return Answer(201, "x" * body, {"Location": "x" * header})

        return write(work)

    return bp


@pytest.fixture(scope="module")
def writable(server: Server) -> Iterator[Database]:
    with database_with(server, metadata) as made:
        yield made


@pytest.fixture
def send(writable: Database, make_app: Callable[..., Flask]) -> Callable[..., TestResponse]:
    app = make_app(DATABASE_URL=writable.url)
    app.register_blueprint(a_room())

    def post(text: str, key: str | None, path: str = PATH) -> TestResponse:
        content = b'{"text": "' + text.encode() + b'"}'
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return app.test_client().post(path, data=content, headers=headers)

    return post


@pytest.mark.parametrize("piece", ["\U0002070e", "東", "é", "%", "x", "\\u0001", "\\\\", '\\"'], ids=ascii)
def test_the_longest_body_that_is_told_again_is_kept(send: Callable[..., TestResponse], piece: str) -> None:
    key = secrets.token_hex(8)
    text = piece * ((MAX_BODY_BYTES - 12) // len(piece.encode()))

    first, again = send(text, key), send(text, key)

    assert (first.status_code, again.status_code) == (201, 201), first.text[:200]
    assert len(first.data) > MAX_BODY_BYTES * 0.9
    assert again.data == first.data
    assert again.location == first.location


def test_as_much_as_may_be_is_kept(send: Callable[..., TestResponse]) -> None:
    key, path = secrets.token_hex(8), f"{PATH}/{MOST_BODY_BYTES}/{MOST_HEADER_BYTES - 20}"

    first, again = send(key, key, path), send(key, key, path)

    assert (first.status_code, again.status_code) == (201, 201)
    assert len(again.data) == MOST_BODY_BYTES
    assert (again.data, again.location) == (first.data, first.location)


@pytest.mark.parametrize("size", [(MOST_BODY_BYTES + 1, 0), (0, MOST_HEADER_BYTES)], ids=["body", "headers"])
@pytest.mark.parametrize("has_key", [True, False])
def test_more_is_a_fault_and_nothing_is_written(
    send: Callable[..., TestResponse],
    writable: Database,
    caplog: pytest.LogCaptureFixture,
    size: tuple[int, int],
    has_key: bool,
) -> None:
    nonce = secrets.token_hex(8)

    answer = send(nonce, nonce if has_key else None, f"{PATH}/{size[0]}/{size[1]}")

    assert_problem(answer, 500, "internal-error")
    assert "can be kept" in caplog.text
    of_it, begun = ledger.c.nonce == nonce, IdempotencyKey.status == 0
    with writable.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(ledger).where(of_it)) == 0
        assert connection.scalar(select(func.count()).select_from(IdempotencyKey).where(begun)) == 0
