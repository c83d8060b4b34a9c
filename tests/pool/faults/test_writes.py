"""A unit of work is kept once or not at all, and whoever asked for it knows which, wherever its connection is cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import pytest
from sqlalchemy import Connection, Engine, event, exc, insert, text
from sqlalchemy.orm import Session

from steadypool import deadline, in_transaction, is_busy, is_refused, is_unavailable
from steadypool.errors import OutcomeUnknownError, PoolError, TransactionLostError
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from testkit.packets import Cut, Direction
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.service import Service
from tests.support.kinds import on_each_driver, on_mariadb, on_mysql_family, on_postgresql
from tests.support.ledger import Unit, Witness, ledger
from tests.support.pools import steady

MOST_PACKETS = 60


class Told(NamedTuple):
    """What the caller of one unit was told: kept, unknown or failed."""

    unit: Unit
    what: str


ALLOWED = {"kept": {1}, "unknown": {0, 1}, "failed": {0}}
"""How often a unit may be in the table, by what its caller was told."""


@pytest.fixture
def writer(service: Service, witness: Witness) -> Engine:
    """The writer behind the proxy, in use already."""
    engine = service.writer
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


def cut_everywhere(engine: Engine, proxy: Proxy, direction: Direction, prepare: Callable[[], object]) -> list[Told]:
    """Cut at the first packet of a unit, at the second one of the next, …, until one has no packet left to cut."""
    told = []
    for when in Cut:
        for number in range(1, MOST_PACKETS):
            prepare()
            cut = proxy.cut(when, direction, number=number)
            told.append(write(engine))
            proxy.heal()
            if not cut.happened:
                break
        assert not cut.happened, f"a unit of {MOST_PACKETS} packets?"
    return told


@pytest.mark.parametrize("direction", ["to server", "to client"])
def test_wherever_a_unit_is_cut_its_caller_knows_what_became_of_it(
    writer: Engine, witness: Witness, proxy: Proxy, direction: Direction
) -> None:
    told = cut_everywhere(writer, proxy, direction, prepare=lambda: writer.connect().close())

    rows = [(what, witness.times(unit)) for unit, what in told]
    assert [(what, times) for what, times in rows if times not in ALLOWED[what]] == [], rows
    # Cut in a statement, at COMMIT, and not at all: each was there.
    assert {what for what, _ in rows} == set(ALLOWED), rows
    assert {unit.begun for unit, _ in told} == {1}, "a unit whose connection was lost was begun again"


@pytest.mark.parametrize("direction", ["to server", "to client"])
def test_wherever_a_new_connection_is_cut_the_unit_is_written_once(
    writer: Engine, witness: Witness, proxy: Proxy, direction: Direction
) -> None:
    with deadline.within(30):
        told = cut_everywhere(writer, proxy, direction, prepare=writer.dispose)

    rows = [(what, witness.times(unit)) for unit, what in told]
    assert [(what, times) for what, times in rows if times not in ALLOWED[what]] == [], rows
    # What was cut while the connection was made was connected again.
    assert Counter(what for what, _ in rows)["kept"] > 4, rows


def as_a_unit(engine: Engine, unit: Unit) -> None:
    in_transaction(engine, unit)


def in_a_session(engine: Engine, unit: Unit) -> None:
    with Session(engine) as session:
        unit(session.connection())
        session.commit()


@on_each_driver
@pytest.mark.parametrize("write_it", [as_a_unit, in_a_session])
@pytest.mark.parametrize(
    ("when", "direction", "kept"),
    [(Cut.BEFORE, "to server", 0), (Cut.AFTER, "to server", 1), (Cut.BEFORE, "to client", 1)],
    ids=["never sent", "sent", "answered"],
)
def test_a_commit_whose_answer_is_lost_is_an_error_of_its_own(
    writer: Engine,
    witness: Witness,
    proxy: Proxy,
    when: Cut,
    direction: Direction,
    kept: int,
    write_it: Callable[[Engine, Unit], None],
) -> None:
    unit = Unit()
    # The next packet is that of COMMIT, or the answer to it.
    event.listen(writer, "commit", lambda _: proxy.cut(when, direction), once=True)

    with pytest.raises(OutcomeUnknownError):
        write_it(writer, unit)

    assert steady(writer).snapshot()["unknown_outcomes"] == 1
    assert eventually(lambda: witness.times(unit) == kept)  # the server may still be about it


@pytest.mark.long_form("mariadb118")
@pytest.mark.parametrize("write_it", [as_a_unit, in_a_session])
@on_mysql_family
def test_a_commit_that_a_server_refuses_which_became_read_only_was_not_kept_for_sure(
    writer: Engine, witness: Witness, fault_server: FaultServer, write_it: Callable[[Engine, Unit], None]
) -> None:
    unit = Unit()
    with fault_server.set_globally(read_only=0):
        event.listen(writer, "commit", lambda _: fault_server.admin("SET GLOBAL read_only = 1"), once=True)
        with pytest.raises(exc.DBAPIError) as refused:
            write_it(writer, unit)

    assert is_unavailable(refused.value)
    assert witness.times(unit) == 0


@on_postgresql
def test_a_commit_that_the_data_do_not_allow_is_not_to_be_repeated(writer: Engine, seeded: Database) -> None:
    with seeded.connect() as connection:
        connection.execute(text("CREATE TABLE once (number int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))

    def write_twice(connection: Connection) -> str:
        connection.execute(text("INSERT INTO once VALUES (7), (7)"))
        return "the server looks at it when it is committed"

    with pytest.raises(exc.IntegrityError) as refused:
        in_transaction(writer, write_twice)

    assert is_refused(refused.value)
    assert not is_unavailable(refused.value)
    assert not is_busy(refused.value)


@on_mariadb
def test_a_commit_in_two_phases_whose_answer_is_lost(writer: Engine, witness: Witness, proxy: Proxy) -> None:
    unit = Unit()
    with writer.connect() as connection:
        transaction = connection.begin_twophase()
        unit(connection)
        transaction.prepare()
        proxy.cut(Cut.AFTER, holding=b"XA COMMIT")

        with pytest.raises(OutcomeUnknownError):
            transaction.commit()

    assert eventually(lambda: witness.times(unit) == 1)


@on_each_driver
@pytest.mark.parametrize("typed", ["COMMIT", " commit", "/* app */ -- ours\n COMMIT"])
def test_a_commit_typed_by_hand_whose_answer_is_lost(
    writer: Engine, witness: Witness, proxy: Proxy, typed: str
) -> None:
    unit = Unit()
    with writer.connect() as connection:
        unit(connection)
        proxy.cut(Cut.AFTER, holding=typed.encode())

        with pytest.raises(OutcomeUnknownError):
            connection.exec_driver_sql(typed)

    assert eventually(lambda: witness.times(unit) == 1)


@on_mariadb
def test_an_error_of_the_work_rolls_everything_back(writer: Engine, witness: Witness) -> None:
    class Broken(Unit):
        def between(self, connection: Connection) -> None:
            raise LookupError("no such book")

    unit = Broken()

    with pytest.raises(LookupError):
        in_transaction(writer, unit)

    assert (unit.begun, witness.times(unit)) == (1, 0)
    assert write(writer).what == "kept"


@on_each_driver
def test_work_that_goes_on_after_its_connection_was_lost_is_not_kept(
    writer: Engine, witness: Witness, proxy: Proxy
) -> None:
    class Careless(Unit):
        def __call__(self, connection: Connection) -> str:
            self.begun += 1
            connection.execute(insert(ledger), {"nonce": self.nonce, "part": 0})
            proxy.reset_all()
            with pytest.raises(exc.OperationalError):
                connection.execute(insert(ledger), {"nonce": self.nonce, "part": 1})
            return self.nonce

    unit = Careless()

    with pytest.raises(TransactionLostError, match="the connection was lost, and the work went on"):
        in_transaction(writer, unit)

    assert (unit.begun, witness.times(unit)) == (1, 0)
