"""A unit of work is kept once or not at all, and whoever asked for it knows which, wherever its connection is cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from flask import Flask
from sqlalchemy import Engine, exc

from app.pool import deadline, in_transaction
from app.pool.errors import OutcomeUnknownError, PoolError
from tests.faults.ledger import Unit, Witness, witness_of, writer_of
from tests.support.databases import Database
from tests.support.packets import Cut, Direction
from tests.support.proxy import Proxy

MOST_PACKETS = 60
COMMIT = b"COMMIT"


class Told(NamedTuple):
    """What the caller of one unit was told: kept, unknown or failed."""

    unit: Unit
    what: str


@pytest.fixture
def witness(seeded: Database) -> Iterator[Witness]:
    with witness_of(seeded) as made:
        yield made


@pytest.fixture
def writer(service: Flask, witness: Witness) -> Engine:
    """The application's writer, behind the proxy, with a connection that is open."""
    engine = writer_of(service)
    in_transaction(engine, Unit())
    return engine


def write(engine: Engine) -> Told:
    unit = Unit()
    try:
        in_transaction(engine, unit)
    except OutcomeUnknownError:
        return Told(unit, "unknown")
    except (exc.DBAPIError, PoolError):
        return Told(unit, "failed")
    return Told(unit, "kept")


def cut_everywhere(engine: Engine, proxy: Proxy, when: Cut, direction: Direction, prepare: Callable) -> list[Told]:
    """Cut at the first packet of a unit, at the second one of the next, …, until one has no packet left to cut."""
    told = []
    for number in range(1, MOST_PACKETS):
        prepare(engine)
        cut = proxy.cut(when, direction, number=number)
        told.append(write(engine))
        proxy.heal()
        if not cut.happened:
            return told
    raise AssertionError(f"a unit of {MOST_PACKETS} packets?")


def open_one(engine: Engine) -> None:
    """See to it that a good connection is idle."""
    with engine.connect():
        pass


def open_none(engine: Engine) -> None:
    """See to it that the next one is made anew."""
    engine.dispose()


ALLOWED = {"kept": {1}, "unknown": {0, 1}, "failed": {0}}


@pytest.mark.parametrize("direction", ["to server", "to client"])
def test_wherever_a_unit_is_cut_its_caller_knows_what_became_of_it(
    writer: Engine, witness: Witness, proxy: Proxy, direction: Direction
):
    told = [one for when in Cut for one in cut_everywhere(writer, proxy, when, direction, open_one)]

    rows = [(one.what, witness.times(one.unit.nonce)) for one in told]
    assert [row for row in rows if row[1] not in ALLOWED[row[0]]] == [], rows
    # Cut in statements, at COMMIT, and not at all: each of these was there.
    assert {what for what, _ in rows} == set(ALLOWED), rows
    assert max(one.unit.begun for one in told) == 1, "a unit whose connection was lost was begun again"


@pytest.mark.parametrize("direction", ["to server", "to client"])
def test_wherever_a_new_connection_is_cut_the_unit_is_written_once(
    writer: Engine, witness: Witness, proxy: Proxy, direction: Direction
):
    told = []
    for when in Cut:
        with deadline.within(30):
            told += cut_everywhere(writer, proxy, when, direction, open_none)

    rows = [(one.what, witness.times(one.unit.nonce)) for one in told]
    assert [row for row in rows if row[1] not in ALLOWED[row[0]]] == [], rows
    # What was cut while the connection was made was connected again.
    assert Counter(what for what, _ in rows)["kept"] > 4, rows
