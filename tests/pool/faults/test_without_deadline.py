"""Where there is no deadline no call waits for ever either: no COMMIT, no ROLLBACK, no row of a streamed result."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator

import psycopg
import pymysql
import pytest
from sqlalchemy import Connection, Engine, event, exc, select, true
from sqlalchemy.orm import Session, aliased

from steadypool import Lookup, in_transaction, read
from steadypool.errors import DeadlineExceededError, OutcomeUnknownError, PoolError
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.service import Service
from tests.pool.tables import Book
from tests.support.kinds import on_each_driver
from tests.support.ledger import Unit, Witness
from tests.support.pools import steady

LONGEST_SECONDS = 0.3
SLACK_SECONDS = 1.0
SILENT = (exc.DBAPIError, PoolError, pymysql.Error, psycopg.Error)
"""SQLAlchemy passes on as it is what the driver says while an isolation level is set."""

pytestmark = [
    on_each_driver,
    # SQLAlchemy does not close the cursor of a connection that is lost; psycopg's and PyMySQL's complain when they go.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def writer(service: Service, witness: Witness) -> Engine:
    engine = service.writer
    in_transaction(engine, Unit())
    steady(engine).longest_call_seconds = LONGEST_SECONDS
    return engine


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    began = time.monotonic()
    yield
    gc.collect()
    assert time.monotonic() - began < 30


def took(call: Callable[[], object], *errors: type[Exception]) -> float:
    began = time.monotonic()
    with pytest.raises(errors or SILENT):
        call()
    return time.monotonic() - began


@pytest.mark.parametrize("way", ["read", "lookup"])
def test_a_read_is_not_waited_for_without_end(service: Service, proxy: Proxy, way: str) -> None:
    engine, lowest = service.reader, select(Book.book_id).limit(1)
    ask = Lookup(lowest).fetch if way == "lookup" else lambda engine: read(engine, lambda c: c.execute(lowest).all())
    assert ask(engine)
    steady(engine).longest_call_seconds = LONGEST_SECONDS
    proxy.freeze()

    assert took(lambda: ask(engine), DeadlineExceededError) < LONGEST_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("make", [Engine.connect, Session])
def test_nor_the_end_of_a_transaction(
    writer: Engine, proxy: Proxy, make: Callable[[Engine], Connection | Session], end: str
) -> None:
    with make(writer) as begun:
        Unit()(begun.connection() if isinstance(begun, Session) else begun)
        proxy.black_hole()

        assert LONGEST_SECONDS <= took(getattr(begun, end)) < LONGEST_SECONDS + SLACK_SECONDS


def test_nor_that_of_a_unit(writer: Engine, proxy: Proxy) -> None:
    def work(connection: Connection) -> None:
        Unit()(connection)
        proxy.freeze()

    assert took(lambda: in_transaction(writer, work), OutcomeUnknownError) < LONGEST_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize("fetch", ["one", "all", "partitions"])
def test_nor_a_row_of_a_stream(writer: Engine, proxy: Proxy, fetch: str) -> None:
    other = aliased(Book)  # more rows than lie in buffers on the way
    rows = select(Book.title, Book.title, other.title).join(other, true())
    steady(writer).longest_call_seconds = 30
    with writer.connect().execution_options(yield_per=2) as connection:
        result = connection.execute(rows)
        assert (result.fetchone() or [""])[0]
        proxy.black_hole()
        steady(writer).longest_call_seconds = LONGEST_SECONDS
        ways = {
            "one": lambda: [result.fetchone() for _ in range(400_000)],
            "all": result.all,
            "partitions": lambda: list(result.partitions(2)),
        }

        assert took(ways[fetch]) < LONGEST_SECONDS + SLACK_SECONDS
    assert eventually(lambda: steady(writer).snapshot()["in_use"] == 0)


def test_nor_the_rest_of_a_stream_that_nobody_wants(writer: Engine, proxy: Proxy) -> None:
    other = aliased(Book)
    steady(writer).longest_call_seconds = 30
    with writer.connect().execution_options(yield_per=2) as connection:
        result = connection.execute(select(Book.title, other.title).join(other, true()))
        assert (result.fetchone() or [""])[0]
        proxy.black_hole()
        steady(writer).longest_call_seconds = LONGEST_SECONDS
        began = time.monotonic()
        del result
        gc.collect()

        assert time.monotonic() - began < LONGEST_SECONDS + SLACK_SECONDS
        connection.invalidate()


@pytest.mark.parametrize("do", ["get", "set"])
def test_nor_an_isolation_level(writer: Engine, proxy: Proxy, do: str) -> None:
    with writer.connect() as connection:
        connection.execute(select(Book.title).limit(1)).all()
        connection.rollback()
        proxy.black_hole()
        ways = {
            "get": connection.get_isolation_level,
            "set": lambda: (
                connection.execution_options(isolation_level="SERIALIZABLE").execute(select(Book.title)).all()
            ),
        }

        assert took(ways[do]) < 2 * (LONGEST_SECONDS + SLACK_SECONDS)
        connection.invalidate()


def test_a_slow_reader_of_a_stream_is_left_alone(writer: Engine) -> None:
    with writer.connect().execution_options(yield_per=100) as connection:
        result = connection.execute(select(Book.book_id).order_by(Book.book_id))
        seen = []
        for (number,) in result:
            seen.append(number)
            if len(seen) in (100, 300):
                time.sleep(2 * LONGEST_SECONDS)

    assert seen == list(range(1, 601))


def test_a_connection_in_hand_that_does_nothing_is_left_alone(writer: Engine, witness: Witness) -> None:
    unit = Unit()
    with writer.connect() as connection:
        for _ in range(2):
            unit(connection)
            connection.rollback()
            time.sleep(2 * LONGEST_SECONDS)
        unit(connection)
        connection.commit()
        time.sleep(2 * LONGEST_SECONDS)

    assert witness.times(unit) == 1
    assert steady(writer).snapshot()["opened"] == 1


def test_what_failed_first_is_raised(writer: Engine, proxy: Proxy) -> None:
    """Ctrl-C, and then the ROLLBACK finds that the server is silent."""

    def interrupted(connection: Connection) -> None:
        Unit()(connection)
        proxy.black_hole()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_transaction(writer, interrupted)

    assert steady(writer).snapshot()["in_use"] == 0


def in_a_block(engine: Engine, work: Callable[[Connection], object]) -> None:
    with engine.begin() as connection:
        work(connection)


def in_a_session(engine: Engine, work: Callable[[Connection], object]) -> None:
    with Session(engine) as session, session.begin():
        work(session.connection())


def on_a_connection(engine: Engine, work: Callable[[Connection], object]) -> None:
    with engine.connect() as connection:
        work(connection)


@pytest.mark.parametrize("first", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("write", [in_transaction, read, in_a_block, in_a_session, on_a_connection])
def test_what_failed_first_is_raised_whatever_becomes_of_the_connection(
    writer: Engine,
    proxy: Proxy,
    write: Callable[[Engine, Callable[[Connection], None]], None],
    first: type[BaseException],
) -> None:
    def fail(connection: Connection) -> None:
        Unit()(connection)
        proxy.reset_all()
        raise first("first")

    with pytest.raises(first, match="first"):
        write(writer, fail)

    assert steady(writer).snapshot()["in_use"] == 0
    assert in_transaction(writer, Unit())


@pytest.mark.parametrize("first", [KeyboardInterrupt, LookupError, SystemExit])
def test_whatever_the_rollback_raises(writer: Engine, first: type[BaseException]) -> None:
    def fail(_connection: Connection) -> None:
        raise first("first")

    @event.listens_for(writer, "rollback")
    def fail_too(_connection: Connection) -> None:
        raise RuntimeError("second")

    with pytest.raises(first, match="first"):
        in_transaction(writer, fail)
    event.remove(writer, "rollback", fail_too)

    assert steady(writer).snapshot()["in_use"] == 0
    assert in_transaction(writer, Unit())
