"""Whoever has something written is told whether it was kept, and what is not known is told as that."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, event

from app.extensions import db
from steadypool import in_transaction
from testkit.databases import Database
from testkit.packets import Cut
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.faults.support import writer_of
from tests.support.kinds import on_mariadb
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


@on_mariadb
@pytest.mark.parametrize("write_it", [as_a_unit, in_a_session])
def test_a_commit_whose_answer_is_lost_is_told_as_a_problem_of_its_own(
    service: Flask, writer: Engine, witness: Witness, proxy: Proxy, write_it: Callable[[Unit], str]
) -> None:
    unit = Unit()
    service.add_url_rule("/api/write", view_func=lambda: write_it(unit), methods=["POST"])
    event.listen(writer, "commit", lambda _: proxy.cut(Cut.AFTER), once=True)

    response = service.test_client().post("/api/write")

    assert_problem(response, 500, "outcome-unknown", saying="not known")
    assert "Retry-After" not in response.headers
    assert eventually(lambda: witness.times(unit) == 1)  # the server may still be about it


@on_mariadb
def test_whoever_seeds_is_told_when_the_outcome_is_unknown(service: Flask, writer: Engine, proxy: Proxy) -> None:
    service.extensions["seeds"][:] = [Unit()]
    event.listen(writer, "commit", lambda _: proxy.cut(Cut.AFTER), once=True)

    with service.app_context():
        result = service.test_cli_runner().invoke(args=["seed"])

    assert result.exit_code == 1
    assert "Error: the answer to COMMIT was lost" in result.output
    assert "does no harm" in result.output
