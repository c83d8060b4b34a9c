"""A room with a column of every kind: what it has can be added, seen, patched and compared on every database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest
from flask import Blueprint, Flask, Response
from flask.testing import FlaskClient
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import JSON, Numeric, Row, Uuid, insert, select, update
from sqlalchemy import Enum as OneOf
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app import negotiation
from app.bodies import StrictBody, patched, read_body, read_patch
from app.extensions import db
from app.idempotency import Answer, Connection, write
from app.media_types import JSON as JSON_TYPE
from app.preconditions import require_match
from steadypool import read
from testkit.databases import database_with
from testkit.servers import Server
from tests.support.problems import assert_problem

pytestmark = pytest.mark.long_form("mariadb118")
PATH = "/api/test/loans"


class State(Enum):
    OUT = "out"
    BACK = "back"


class Base(DeclarativeBase):
    """Apart from the service's own tables, which migrations are compared with."""


class Loan(Base):
    __tablename__ = "test_loan"

    id: Mapped[int] = mapped_column(primary_key=True)
    due: Mapped[date]
    taken: Mapped[datetime]
    opens: Mapped[time]
    fee: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    state: Mapped[State] = mapped_column(OneOf(State, native_enum=False, length=10))
    ticket: Mapped[UUID] = mapped_column(Uuid)
    is_renewed: Mapped[bool]
    remarks: Mapped[list[str]] = mapped_column(JSON)
    place: Mapped[dict[str, Any]] = mapped_column(JSON)
    returned: Mapped[date | None]


class LoanBody(StrictBody):
    due: date
    taken: datetime
    opens: time
    fee: Annotated[Decimal, Field(decimal_places=2, max_digits=10)]
    state: State
    ticket: UUID
    is_renewed: bool
    remarks: list[str]
    place: dict[str, str | int | None]
    returned: date | None = None


class Shown(LoanBody):
    model_config = ConfigDict(from_attributes=True)

    id: int


LOANS = select(*Loan.__table__.columns)
FIRST = {
    "due": "2024-02-29",
    "taken": "2024-02-01T12:30:00",
    "opens": "08:30:00",
    "fee": "1.50",
    "state": "out",
    "ticket": "8f14e45f-ceea-467a-9c54-8f5c9a3b1d10",
    "is_renewed": False,
    "remarks": ["torn", "日本"],
    "place": {"row": 3, "side": "left", "lamp": None},
    "returned": None,
}


def one(connection: Connection, loan_id: int) -> Row[Any]:
    return connection.execute(LOANS.where(Loan.id == loan_id)).one()


def shown(row: Row[Any]) -> BaseModel:
    return Shown.model_validate(row, strict=False)


def a_room() -> Blueprint:
    """Return a room that writes as app/cities does: what it answers is read back."""
    bp = Blueprint("loans", __name__)

    @bp.get(f"{PATH}/<int:loan_id>")
    def show(loan_id: int) -> Response:
        row = read(db.engines["reader"], lambda connection: one(connection, loan_id))
        return negotiation.answer(shown(row).model_dump_json() + "\n", JSON_TYPE)

    @bp.post(PATH)
    def add() -> Response:
        wanted = read_body(LoanBody)

        def work(connection: Connection) -> Answer:
            made = connection.execute(insert(Loan).values(wanted.model_dump()))
            (loan_id,) = made.inserted_primary_key or (0,)
            return Answer.of(shown(one(connection, loan_id)), 201, Location=f"{PATH}/{loan_id}")

        return write(work)

    @bp.patch(f"{PATH}/<int:loan_id>")
    def change(loan_id: int) -> Response:
        patch = read_patch()

        def work(connection: Connection) -> Answer:
            row = one(connection, loan_id)
            require_match(Answer.of(shown(row)).headers["ETag"])
            current = {name: value for name, value in row._mapping.items() if name != "id"}
            wanted = patched(LoanBody, current, patch)
            connection.execute(update(Loan).where(Loan.id == loan_id).values(wanted.model_dump()))
            return Answer.of(shown(one(connection, loan_id)))

        return write(work)

    return bp


@pytest.fixture(scope="module")
def client(server: Server, make_lasting_app: Callable[..., Flask]) -> Iterator[FlaskClient]:
    with database_with(server, Base.metadata) as made:
        app = make_lasting_app(DATABASE_URL=made.url, ACCESS_LOG="off")
        app.register_blueprint(a_room())
        yield app.test_client()


CHANGES: list[dict[str, Any]] = [
    {"due": "2025-01-01"},
    {"taken": "2025-01-01T00:00:01"},
    {"opens": "23:59:59"},
    {"fee": "20.05"},
    {"state": "back"},
    {"ticket": "00000000-0000-4000-8000-000000000000"},
    {"is_renewed": True},
    {"remarks": []},
    {"returned": "2024-03-01"},
    {},
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: next(iter(changes), "nothing"))
def test_each_kind_is_patched_and_the_rest_stays(client: FlaskClient, changes: dict[str, Any]) -> None:
    added = client.post(PATH, json=FIRST)
    address = added.headers["Location"]
    seen = client.get(address)
    assert (added.status_code, seen.get_json()) == (201, added.get_json())
    assert FIRST.items() <= seen.get_json().items()
    assert seen.headers["ETag"] == added.headers["ETag"]

    changed = client.patch(address, json=changes, headers={"If-Match": seen.headers["ETag"]})

    assert changed.status_code == 200, changed.text
    assert changed.get_json() == {**seen.get_json(), **changes}
    assert client.get(address).headers["ETag"] == changed.headers["ETag"]


def test_a_patch_goes_into_an_object_and_null_takes_a_member_away(client: FlaskClient) -> None:
    added = client.post(PATH, json={**FIRST, "returned": "2024-03-01"})

    patch = {"place": {"side": None, "row": 4}, "returned": None}
    changed = client.patch(added.headers["Location"], json=patch, headers={"If-Match": added.headers["ETag"]})

    assert changed.get_json()["place"] == {"row": 4, "lamp": None}
    assert changed.get_json()["returned"] is None


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("due", "2024-02-30"), ("taken", "noon"), ("fee", "1.505"), ("state", "lost"), ("ticket", "x"), ("is_renewed", 1)],
)
def test_what_is_wrong_is_named(client: FlaskClient, field: str, wrong: object) -> None:
    added = client.post(PATH, json=FIRST)

    refused = client.patch(added.headers["Location"], json={field: wrong}, headers={"If-Match": added.headers["ETag"]})

    assert_problem(refused, 422, "invalid-content", fields=[f"#/{field}"])
