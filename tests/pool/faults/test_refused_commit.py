"""A COMMIT that the database refuses ends its transaction: nobody's later COMMIT keeps what was refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, exc, text
from sqlalchemy.orm import Session

from steadypool import PoolPolicy, create_pool_engine, deadline, in_transaction
from steadypool.drivers import sqlite
from testkit.databases import plain_engine
from testkit.fault_servers import FaultServer
from tests.pool.service import Service
from tests.support.kinds import on_each_driver, on_mysql_family, on_postgresql
from tests.support.ledger import Unit, Witness, metadata
from tests.support.policies import POLICY
from tests.support.pools import steady


def as_a_unit(engine: Engine, work: Callable[[Connection], object]) -> None:
    in_transaction(engine, work)


def in_a_block(engine: Engine, work: Callable[[Connection], object]) -> None:
    with engine.begin() as connection:
        work(connection)


def in_a_session(engine: Engine, work: Callable[[Connection], object]) -> None:
    with Session(engine) as session:
        work(session.connection())
        try:
            session.commit()
        except exc.DBAPIError:
            session.rollback()
            raise


def step_by_step(engine: Engine, work: Callable[[Connection], object]) -> None:
    with engine.connect() as connection:
        work(connection)
        connection.commit()


Write = Callable[[Engine, Callable[[Connection], object]], object]
WAYS: list[Write] = [as_a_unit, in_a_block, in_a_session, step_by_step]
every_way = pytest.mark.parametrize("write", WAYS)


@pytest.fixture
def make_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Engine]]:
    """Return the writer of a new file with a rollback journal, as SQLite makes it by itself; it waits for nobody."""
    made: list[Engine] = []
    monkeypatch.setattr(sqlite, "LONGEST_WAIT_SECONDS", 0.05)

    def make(policy: PoolPolicy = POLICY) -> Engine:
        path = tmp_path / "ledger.sqlite3"
        with plain_engine(f"sqlite:///{path}").begin() as connection:
            metadata.create_all(connection)
        made.append(create_pool_engine(f"sqlite:///{path}", policy))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def path_of(engine: Engine) -> str:
    return (engine.url.database or "").removeprefix("file:")


@contextmanager
def reading(engine: Engine) -> Iterator[None]:
    """Read from the file and go on reading, so that nobody may commit."""
    with closing(sqlite3.connect(path_of(engine))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM ledger").fetchall()
        yield


def file_witness(engine: Engine) -> Callable[[Unit], int]:
    plain = plain_engine(f"sqlite:///{path_of(engine)}")

    def times(unit: Unit) -> int:
        with plain.connect() as connection:
            return Witness(connection).times(unit)

    return times


@every_way
def test_a_busy_file_keeps_what_was_told_to_be_kept(make_file: Callable[[], Engine], write: Write) -> None:
    engine, refused, innocent = make_file(), Unit(), Unit()
    with reading(engine), pytest.raises(exc.OperationalError, match="locked"):
        write(engine, refused)

    write(engine, innocent)
    times = file_witness(engine)
    assert (times(refused), times(innocent)) == (0, 1)

    write(engine, refused)
    assert times(refused) == 1
    assert steady(engine).snapshot()["opened"] == 1, "what was rolled back is as good as new"


CHILDREN = "CREATE TABLE child (ledger_id INTEGER REFERENCES ledger (id) DEFERRABLE INITIALLY DEFERRED)"


@every_way
def test_a_foreign_key_that_is_looked_at_last_is_not_kept_by_the_next(
    make_file: Callable[[], Engine], write: Write
) -> None:
    engine, refused, innocent = make_file(), Unit(), Unit()
    write(engine, partial(run, CHILDREN))

    with pytest.raises(exc.IntegrityError):
        write(engine, both(refused, "INSERT INTO child VALUES (99)"))
    write(engine, both(innocent, "INSERT INTO ledger VALUES (99, '', 0)"))

    times = file_witness(engine)
    assert (times(refused), times(innocent)) == (0, 1)


def run(statement: str, connection: Connection) -> None:
    connection.execute(text(statement).execution_options(leaves_no_trace=True))


def both(unit: Unit, statement: str) -> Callable[[Connection], None]:
    """Return what does a unit and then runs a statement."""

    def work(connection: Connection) -> None:
        unit(connection)
        run(statement, connection)

    return work


def test_the_same_connection_may_go_on_after_a_rollback(make_file: Callable[[], Engine]) -> None:
    engine, refused, innocent = make_file(), Unit(), Unit()
    with engine.connect() as connection:
        with reading(engine):
            refused(connection)
            with pytest.raises(exc.OperationalError, match="locked"):
                connection.commit()
            connection.rollback()
        innocent(connection)
        connection.commit()

    times = file_witness(engine)
    assert (times(refused), times(innocent)) == (0, 1)


def past_sqlalchemy(engine: Engine, unit: Unit) -> None:
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        for part in (0, 1):
            cursor.execute(f"INSERT INTO ledger (nonce, part) VALUES ('{unit.nonce}', {part})")
        cursor.close()


@every_way
def test_what_nobody_committed_is_not_kept_by_the_next(make_file: Callable[[], Engine], write: Write) -> None:
    engine, forgotten, innocent = make_file(), Unit(), Unit()

    past_sqlalchemy(engine, forgotten)
    write(engine, innocent)

    times = file_witness(engine)
    assert (times(forgotten), times(innocent)) == (0, 1)


@on_each_driver
@every_way
def test_nor_on_a_server(service: Service, witness: Witness, write: Write) -> None:
    engine, forgotten, innocent = service.writer, Unit(), Unit()

    past_sqlalchemy(engine, forgotten)
    write(engine, innocent)

    assert (witness.times(forgotten), witness.times(innocent)) == (0, 1)


@on_postgresql
@every_way
def test_a_constraint_that_is_looked_at_last(service: Service, witness: Witness, write: Write) -> None:
    engine, refused, innocent = service.writer, Unit(), Unit()
    witness.connection.execute(text("CREATE TABLE IF NOT EXISTS pair (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))

    with pytest.raises(exc.IntegrityError):
        write(engine, both(refused, "INSERT INTO pair VALUES (7), (7)"))
    write(engine, innocent)

    assert (witness.times(refused), witness.times(innocent)) == (0, 1)
    assert steady(engine).snapshot()["opened"] == 1


@pytest.mark.long_form("mariadb118")
@on_mysql_family
@pytest.mark.parametrize("write", WAYS[1:])
def test_a_lock_on_all_commits(service: Service, witness: Witness, fault_server: FaultServer, write: Write) -> None:
    """As backups take it. The server leaves the transaction open, for a COMMIT that comes later."""
    engine, refused, innocent = service.writer, Unit(), Unit()
    with fault_server.set_globally(lock_wait_timeout=1):
        engine.dispose()
        with deadline.within(20), pytest.raises(exc.OperationalError, match="Lock wait timeout"):
            write(engine, lambda connection: (refused(connection), fault_server.admin("FLUSH TABLES WITH READ LOCK")))
        fault_server.admin("UNLOCK TABLES")
        write(engine, innocent)

    assert (witness.times(refused), witness.times(innocent)) == (0, 1)
