"""Whoever has something written is told whether it was kept, and what is not known is told as that."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, event, text
from werkzeug.test import TestResponse

from app.extensions import db
from steadypool import in_transaction
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from testkit.packets import Cut, Direction
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.faults.support import writer_of
from tests.support.kinds import on_mysql_family, on_postgresql
from tests.support.ledger import Unit, Witness, witness_of
from tests.support.problems import assert_problem


@pytest.fixture
def witness(seeded: Database) -> Iterator[Witness]:
    with witness_of(seeded) as made:
        yield made


@pytest.fixture
def writer(service: Flask, witness: Witness) -> Engine:
    """The application's writer behind the proxy, in use already."""
    engine = writer_of(service)
    in_transaction(engine, Unit())
    return engine


def as_a_unit(unit: Unit) -> str:
    return in_transaction(db.engine, unit)


def in_a_session(unit: Unit) -> str:
    """Write as Flask-SQLAlchemy's own documentation has it."""
    unit(db.session.connection())
    db.session.commit()
    return unit.nonce


def post(service: Flask, view: Callable[[], str]) -> TestResponse:
    service.add_url_rule("/api/write", view_func=view, methods=["POST"])
    return service.test_client().post("/api/write")


@pytest.mark.parametrize("write_it", [as_a_unit, in_a_session])
@pytest.mark.parametrize(
    ("when", "direction", "kept"),
    [(Cut.BEFORE, "to server", 0), (Cut.AFTER, "to server", 1), (Cut.BEFORE, "to client", 1)],
    ids=["never sent", "sent", "answered"],
)
def test_a_commit_whose_answer_is_lost_is_told_as_a_problem_of_its_own(
    service: Flask,
    writer: Engine,
    witness: Witness,
    proxy: Proxy,
    when: Cut,
    direction: Direction,
    kept: int,
    write_it: Callable[[Unit], str],
) -> None:
    unit = Unit()
    # The next packet is that of COMMIT, or the answer to it.
    event.listen(writer, "commit", lambda _: proxy.cut(when, direction), once=True)

    response = post(service, lambda: write_it(unit))

    assert_problem(response, 500, "outcome-unknown", saying="not known")
    assert "Retry-After" not in response.headers
    assert eventually(lambda: witness.times(unit) == kept)  # the server may still be about it


@pytest.mark.parametrize("write_it", [as_a_unit, in_a_session])
@on_mysql_family
def test_a_commit_that_a_server_refuses_which_became_read_only_was_not_kept_for_sure(
    service: Flask, writer: Engine, witness: Witness, fault_server: FaultServer, write_it: Callable[[Unit], str]
) -> None:
    unit = Unit()
    with fault_server.set_globally(read_only=0):
        event.listen(writer, "commit", lambda _: fault_server.admin("SET GLOBAL read_only = 1"), once=True)
        response = post(service, lambda: write_it(unit))

    assert_problem(response, 503, "database-unavailable")
    assert witness.times(unit) == 0


@on_postgresql
def test_a_commit_that_the_data_do_not_allow_is_not_to_be_repeated(service: Flask, seeded: Database) -> None:
    with seeded.connect() as connection:
        connection.execute(text("CREATE TABLE once (number int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))

    def write_twice(connection: Connection) -> str:
        connection.execute(text("INSERT INTO once VALUES (7), (7)"))
        return "the server looks at it when it is committed"

    response = post(service, lambda: in_transaction(db.engine, write_twice))

    assert_problem(response, 500, "internal-error")
    assert "Retry-After" not in response.headers


def test_whoever_seeds_is_told_when_the_outcome_is_unknown(service: Flask, writer: Engine, proxy: Proxy) -> None:
    service.extensions["seeds"][:] = [Unit()]
    event.listen(writer, "commit", lambda _: proxy.cut(Cut.AFTER), once=True)

    with service.app_context():
        result = service.test_cli_runner().invoke(args=["seed"])

    assert result.exit_code == 1
    assert "Error: the answer to COMMIT was lost" in result.output
    assert "does no harm" in result.output
