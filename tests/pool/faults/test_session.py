"""What somebody did to the session of a connection is not met by the next; plain statements keep the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Select, exists, func, insert, literal_column, select, text, union_all, update
from sqlalchemy.orm import Session, selectinload

from steadypool import in_transaction, read
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from tests.pool.library import TITLES
from tests.pool.service import Service
from tests.pool.tables import Author, Book
from tests.support.kinds import on_each_driver
from tests.support.ledger import ledger, witness_of
from tests.support.pools import steady

WHO_AM_I = {
    True: text("SELECT connection_id()").execution_options(leaves_no_trace=True),
    False: text("SELECT pg_backend_pid()").execution_options(leaves_no_trace=True),
}
TRACES = {
    True: {
        "begin": ["BEGIN"],
        "set": ["SET SESSION sql_mode = ''"],
        "variable": ["SET @title = 312"],
        "temporary table": ["CREATE TEMPORARY TABLE book (book_id INT)"],  # hides the real one
        "lock": ["SELECT GET_LOCK('a lock', 0)"],
        "begin and read": ["BEGIN", "SELECT book_id FROM book LIMIT 1"],
    },
    False: {
        "begin": ["BEGIN"],
        "set": ["SET search_path = nowhere"],
        "temporary table": ["CREATE TEMPORARY TABLE book (book_id INT)"],
        "lock": ["SELECT pg_advisory_lock(1)"],
        "begin and read": ["BEGIN", "SELECT book_id FROM book LIMIT 1"],
    },
}
"""What leaves something behind in a session, on MySQL and MariaDB and on PostgreSQL."""


@pytest.fixture(params=["reader", "writer"])
def engine(request: pytest.FixtureRequest, service: Service) -> Engine:
    return {"reader": service.reader, "writer": service.writer}[request.param]


@pytest.fixture
def who(engine: Engine, fault_server: FaultServer) -> Callable[[], int]:
    """Return the server's number of the connection that the next one gets."""
    return lambda: read(engine, lambda connection: connection.scalar(WHO_AM_I[fault_server.is_mysql]))


def by_text(engine: Engine, statements: list[str]) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def by_driver_sql(engine: Engine, statements: list[str]) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def by_raw_connection(engine: Engine, statements: list[str]) -> None:
    connection = engine.raw_connection()
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
    connection.close()


@on_each_driver
@pytest.mark.parametrize("way", [by_text, by_driver_sql, by_raw_connection])
def test_a_changed_session_is_closed_and_nobody_meets_it(
    engine: Engine,
    who: Callable[[], int],
    way: Callable[[Engine, list[str]], None],
    fault_server: FaultServer,
    user: str,
) -> None:
    for name, statements in TRACES[fault_server.is_mysql].items():
        mine, closed = who(), steady(engine).snapshot()["closed"].get("changed", 0)

        way(engine, statements)

        assert who() != mine, name
        assert steady(engine).snapshot()["closed"]["changed"] == closed + 1, name
    assert steady(engine).snapshot()["in_use"] == 0


LITERALLY = {"compile_kwargs": {"literal_binds": True}}
LOCKS = {True: func.get_lock("a lock", 0), False: func.pg_try_advisory_lock(1)}


@on_each_driver
@pytest.mark.parametrize(
    "make",
    [
        lambda lock: select(lock).select_from(Book).limit(1),
        lambda lock: select(Book.title).where(Book.book_id == 312, lock.is_not(None)),
        lambda lock: select(Book.title).where(select(lock).scalar_subquery().is_not(None)),
        lambda lock: select(Book.title).where(Book.book_id == 312, text(str(lock.compile(**LITERALLY)) + " IS NULL")),
        lambda lock: select(Book.book_id, literal_column(str(lock.compile(**LITERALLY)))).limit(1),
    ],
    ids=["selected", "where", "subquery", "text", "column"],
)
def test_a_lock_that_is_taken_in_a_construct_is_nobodys_next(
    engine: Engine, who: Callable[[], int], make: Callable[[Any], Select[Any]], fault_server: FaultServer
) -> None:
    mine, statement = who(), make(LOCKS[fault_server.is_mysql])

    with engine.connect() as connection:
        connection.execute(statement).all()

    assert who() != mine


def core_select(connection: Connection) -> None:
    assert connection.scalar(select(Book.title).where(Book.book_id == 312)) == TITLES[311]


def count(connection: Connection) -> None:
    assert connection.scalar(select(func.count()).select_from(Book)) == 600


def union(connection: Connection) -> None:
    assert len(connection.execute(union_all(select(Book.book_id), select(Book.author_id))).all()) == 1200


def exists_select(connection: Connection) -> None:
    assert connection.scalar(select(select(Book.book_id).where(Book.book_id == 312).exists()))
    assert connection.scalar(select(exists().where(Book.book_id == 312)))


def orm_select(connection: Connection) -> None:
    with Session(connection) as session:
        author = session.scalars(select(Author).where(Author.author_id == 20).options(selectinload(Author.books)))
        assert author.one().books


def vouched_for(connection: Connection) -> None:
    connection.execute(text("SELECT 1").execution_options(leaves_no_trace=True))


def vouched_for_driver_sql(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT 1", execution_options={"leaves_no_trace": True})


@on_each_driver
@pytest.mark.parametrize(
    "work", [core_select, count, union, exists_select, orm_select, vouched_for, vouched_for_driver_sql]
)
def test_plain_reading_keeps_the_connection(
    engine: Engine, who: Callable[[], int], work: Callable[[Connection], None]
) -> None:
    mine, opened = who(), steady(engine).snapshot()["opened"]

    for _ in range(3):
        read(engine, work)

    assert (who(), steady(engine).snapshot()["opened"]) == (mine, opened)


@on_each_driver
def test_plain_writing_keeps_the_connection(service: Service, seeded: Database, fault_server: FaultServer) -> None:
    writer = service.writer
    with witness_of(seeded):
        pass

    def work(connection: Connection) -> Any:
        connection.execute(insert(ledger), [{"nonce": "kept", "part": part} for part in (0, 1)])
        connection.execute(update(ledger).where(ledger.c.nonce == "kept").values(part=0))
        connection.execute(ledger.delete().where(ledger.c.nonce == "kept"))
        return connection.scalar(WHO_AM_I[fault_server.is_mysql])

    assert len({in_transaction(writer, work) for _ in range(3)}) == 1
