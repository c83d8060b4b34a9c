"""409: what the database holds against a write that its room let through, told as far as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Blueprint, Flask, Response
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, text

from app.idempotency import Answer, Connection, write
from testkit.databases import Database, database_with
from testkit.servers import Server
from tests.support.problems import assert_problem

pytestmark = pytest.mark.long_form("mariadb118")
PATH = "/api/test/statement"

metadata = MetaData()
shelf = Table("test_shelf", metadata, Column("id", Integer, primary_key=True))
book = Table(
    "test_book",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shelf_id", Integer, ForeignKey("test_shelf.id", ondelete="RESTRICT"), nullable=False),
    Column("mark", String(20), nullable=False, unique=True),
)

NOWHERE, REFERRED = "It refers to something that is not there.", "Something else refers to it, so it has to stay."
EITHER = "It refers to something that is not there, or something else refers to it."
TAKEN, RULE = "It is there already", "A value is missing, or breaks a rule"
REFUSED = {
    "INSERT INTO test_book VALUES (2, 7, 'b')": NOWHERE,
    " delete from test_shelf": REFERRED,
    "UPDATE test_book SET shelf_id = 7": EITHER,
    "UPDATE test_shelf SET id = 7": EITHER,
    "INSERT INTO test_book VALUES (2, 1, 'a')": TAKEN,
    "INSERT INTO test_book VALUES (1, 1, 'b')": TAKEN,
    "INSERT INTO test_book VALUES (2, NULL, 'b')": RULE,
}


@pytest.fixture(scope="module")
def writable(server: Server) -> Iterator[Database]:
    with database_with(server, metadata) as made:
        with made.connect() as connection:
            connection.execute(text("INSERT INTO test_shelf VALUES (1)"))
            connection.execute(text("INSERT INTO test_book VALUES (1, 1, 'a')"))
        yield made


@pytest.mark.parametrize("statement", REFUSED)
def test_what_no_room_foresaw_is_told_as_it_is(
    writable: Database, make_app: Callable[..., Flask], statement: str
) -> None:
    def do() -> Response:
        def work(connection: Connection) -> Answer:
            connection.execute(text(statement))
            return Answer(204)

        return write(work)

    bp = Blueprint("statement", __name__)
    bp.post(PATH)(do)
    app = make_app(DATABASE_URL=writable.url, ACCESS_LOG="off")
    app.register_blueprint(bp)

    assert_problem(app.test_client().post(PATH), 409, "conflict", REFUSED[statement])
