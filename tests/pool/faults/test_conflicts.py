"""A unit of work that others get in the way of is done again as a whole, a few times, within the deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import Connection, Engine, exc, insert, select, update

from steadypool import deadline, in_transaction
from steadypool.errors import PoolError, TransactionLostError
from steadypool.retry import MOST_TRIES
from testkit.databases import Database, plain_engine
from testkit.fault_servers import FaultServer
from tests.pool.service import Service
from tests.support.kinds import everywhere, on_each_driver, on_mariadb118, on_mysql_family, on_postgresql
from tests.support.ledger import Unit, Witness, ledger, witness_of
from tests.support.pools import steady

DEADLINE_SECONDS = 2.5
"""MySQL and MariaDB count lock waits in whole seconds: two thirds of this make one."""
PATIENCE_SECONDS = {True: 1.0, False: 0.3}
"""How long a statement waits for a lock on MySQL and MariaDB, and on PostgreSQL."""
FIRST, SECOND = 1_000_001, 1_000_002


@pytest.fixture
def witness(seeded: Database) -> Iterator[Witness]:
    """Two rows to quarrel over are there, each with part 0."""
    with witness_of(seeded) as made:
        for row in (FIRST, SECOND):
            made.connection.execute(ledger.delete().where(ledger.c.id == row))
            made.connection.execute(insert(ledger), {"id": row, "nonce": "row", "part": 0})
        yield made


@pytest.fixture
def writer(
    fault_server: FaultServer, make_service: Callable[..., Service], witness: Witness, user: str
) -> Iterator[Engine]:
    """The writer; on PostgreSQL, which knows no limit of its own for locks, the role has one."""
    if not fault_server.is_mysql:
        fault_server.admin(f"ALTER ROLE {user} SET lock_timeout = '300ms'")
        fault_server.admin(f"ALTER ROLE {user} SET deadlock_timeout = '100ms'")
    yield make_service(deadline_seconds=DEADLINE_SECONDS).writer
    if not fault_server.is_mysql:
        fault_server.admin(f"ALTER ROLE {user} RESET ALL")


def touch(connection: Connection, row: int) -> None:
    connection.execute(update(ledger).where(ledger.c.id == row).values(part=ledger.c.part + 1))


class Crossing(Unit):
    """Touches two rows; the first time it waits in between until another one has touched its first as well."""

    def __init__(self, rows: tuple[int, int], meeting: threading.Barrier, *passed_over: type[Exception]) -> None:
        super().__init__()
        self.rows, self.meeting, self.passed_over = rows, meeting, passed_over

    def between(self, connection: Connection) -> None:
        with suppress(*self.passed_over):
            touch(connection, self.rows[0])
            if self.begun == 1:
                self.meeting.wait(5)
            touch(connection, self.rows[1])


def crossing(*passed_over: type[Exception]) -> list[Crossing]:
    """Return two that want each other's row."""
    meeting = threading.Barrier(2)
    return [Crossing(rows, meeting, *passed_over) for rows in ((FIRST, SECOND), (SECOND, FIRST))]


class Touching(Unit):
    """Writes, and in between touches a row that somebody else has locked until the unit is begun a second time."""

    def __init__(self, let_go: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.let_go = let_go

    def between(self, connection: Connection) -> None:
        if self.begun == 2:
            self.let_go()
        touch(connection, FIRST)


def at_once(writer: Engine, *units: Unit) -> None:
    """Have two units done at the same time."""
    with ThreadPoolExecutor(2) as threads:
        for end in [threads.submit(in_transaction, writer, unit) for unit in units]:
            end.result(10)


@contextmanager
def locking(database: Database) -> Iterator[Callable[[], None]]:
    """Hold the first row, until the end or until told to let go."""
    engine = plain_engine(database.url)
    with engine.connect() as connection:
        touch(connection, FIRST)
        yield connection.rollback


@everywhere
def test_of_two_in_a_deadlock_one_is_done_again_and_each_is_kept_once(writer: Engine, witness: Witness) -> None:
    units = crossing()

    at_once(writer, *units)

    assert sorted(unit.begun for unit in units) == [1, 2]
    assert [witness.times(unit) for unit in units] == [1, 1]
    rows = select(ledger.c.part).where(ledger.c.id.in_([FIRST, SECOND]))
    assert list(witness.connection.scalars(rows)) == [2, 2]
    assert steady(writer).snapshot()["retried"] == 1


@everywhere
def test_a_unit_that_ran_into_a_lock_is_done_again_as_a_whole(
    writer: Engine, witness: Witness, seeded: Database
) -> None:
    with locking(seeded) as let_go:
        unit = Touching(let_go)
        in_transaction(writer, unit)

    assert unit.begun == 2
    assert witness.times(unit) == 1


@on_postgresql  # which waits for locks for as short as it is told
def test_after_the_last_try_the_error_is_raised_and_nothing_is_kept(
    writer: Engine, witness: Witness, seeded: Database
) -> None:
    unit = Touching()

    with locking(seeded), pytest.raises(exc.OperationalError) as caught:
        in_transaction(writer, unit)

    assert getattr(caught.value.orig, "sqlstate", None) == "55P03"
    assert unit.begun == MOST_TRIES == 5
    assert witness.times(unit) == 0


def test_trying_again_ends_with_the_deadline(
    writer: Engine, witness: Witness, seeded: Database, fault_server: FaultServer
) -> None:
    unit, seconds = Touching(), 1.5 * PATIENCE_SECONDS[fault_server.is_mysql]

    with locking(seeded), deadline.within(seconds) as due, pytest.raises((exc.OperationalError, PoolError)):
        in_transaction(writer, unit)

    assert time.monotonic() < due.ends + 0.5
    assert unit.begun < MOST_TRIES
    assert witness.times(unit) == 0


@pytest.mark.long_form("mariadb118")
@on_mysql_family
def test_a_deadlock_that_the_work_passes_over_is_no_half_written_unit(writer: Engine, witness: Witness) -> None:
    """The server has rolled everything back; what the work writes then would be kept without the rest."""
    units = crossing(exc.OperationalError)

    at_once(writer, *units)

    assert [witness.times(unit) for unit in units] == [1, 1]


class Counting(Unit):
    """Reads a row, then writes what it makes of it; the first time it waits in between until the other has read it."""

    def __init__(self, meeting: threading.Barrier, *, passes_over: bool) -> None:
        super().__init__()
        self.meeting, self.passes_over, self.refused = meeting, passes_over, list[int]()

    def between(self, connection: Connection) -> None:
        seen = connection.scalar(select(ledger.c.part).where(ledger.c.id == FIRST))
        assert seen is not None
        if self.begun == 1:
            self.meeting.wait(5)
        try:
            connection.execute(update(ledger).where(ledger.c.id == FIRST).values(part=seen + 1))
        except exc.OperationalError as error:
            self.refused.append(error.orig.args[0] if error.orig else 0)
            if not self.passes_over:
                raise


@on_mariadb118
@pytest.mark.parametrize("passes_over", [False, True])
def test_of_two_that_read_a_row_and_change_it_one_is_done_again_and_both_count(
    writer: Engine, witness: Witness, passes_over: bool
) -> None:
    """MariaDB 11.8 refuses to change a row that was changed since it was read (1020, innodb_snapshot_isolation).

    It has rolled everything back then; what a unit that passes over it writes would be kept without the rest.
    """
    meeting = threading.Barrier(2)
    units = [Counting(meeting, passes_over=passes_over) for _ in range(2)]

    at_once(writer, *units)

    assert [code for unit in units for code in unit.refused] == [1020]
    assert sorted(unit.begun for unit in units) == [1, 2]
    assert [witness.times(unit) for unit in units] == [1, 1]
    assert witness.connection.scalar(select(ledger.c.part).where(ledger.c.id == FIRST)) == 2
    assert steady(writer).snapshot()["conflicts"] == 1


@on_mariadb118
def test_a_changed_row_is_told_as_a_lost_transaction_where_nothing_is_done_again(
    writer: Engine, witness: Witness
) -> None:
    class Stubborn(Unit):
        """Passes over the error each time; another one changes the row in between each time."""

        def between(self, connection: Connection) -> None:
            connection.execute(select(ledger.c.part).where(ledger.c.id == FIRST)).all()
            touch(witness.connection, FIRST)
            with pytest.raises(exc.OperationalError, match="1020"):
                touch(connection, FIRST)

    unit = Stubborn()

    with pytest.raises(TransactionLostError):
        in_transaction(writer, unit)

    assert (unit.begun, witness.times(unit)) == (MOST_TRIES, 0)


@on_postgresql
def test_an_error_that_the_work_passes_over_is_no_success(writer: Engine, witness: Witness) -> None:
    """PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and the driver takes that for a success."""

    class Careless(Unit):
        def __call__(self, connection: Connection) -> str:
            super().__call__(connection)
            with pytest.raises(exc.IntegrityError):
                connection.execute(insert(ledger), {"id": FIRST, "nonce": self.nonce, "part": 2})
            return self.nonce

    unit = Careless()

    with pytest.raises(TransactionLostError):
        in_transaction(writer, unit)

    assert witness.times(unit) == 0


@on_postgresql
def test_an_error_inside_a_savepoint_may_be_passed_over(writer: Engine, witness: Witness) -> None:
    class Careful(Unit):
        def between(self, connection: Connection) -> None:
            with pytest.raises(exc.IntegrityError), connection.begin_nested():
                connection.execute(insert(ledger), {"id": FIRST, "nonce": self.nonce, "part": 2})

    unit = Careful()

    in_transaction(writer, unit)

    assert witness.times(unit) == 1


@on_each_driver
def test_a_unit_is_refused_alike_on_every_try(writer: Engine, witness: Witness) -> None:
    """A row that is there already is no conflict that could pass."""

    class Duplicate(Unit):
        def between(self, connection: Connection) -> None:
            connection.execute(insert(ledger), {"id": FIRST, "nonce": self.nonce, "part": 2})

    unit = Duplicate()

    with pytest.raises(exc.IntegrityError):
        in_transaction(writer, unit)

    assert (unit.begun, witness.times(unit)) == (1, 0)
