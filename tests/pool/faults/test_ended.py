"""What was cut at its deadline is ended at the server too, writes included, and nothing of anybody else's is."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, TextClause, text

from steadypool import in_transaction, read
from steadypool.core import endings
from testkit.databases import Database, plain_engine
from testkit.drivers import MYSQLDB
from testkit.fault_servers import FaultServer
from testkit.waiting import eventually
from tests.pool.service import Service
from tests.support.kinds import everywhere, on_mysql_family, on_postgresql
from tests.support.ledger import Unit, Witness
from tests.support.leftovers import assert_nothing_is_lent, seconds_until
from tests.support.pools import held, steady

CUTS = int(os.environ.get("CUTS", "60"))
"""The long form is CUTS=1000."""
POLICY_SECONDS = 60.0
"""The server's own limits are so far off that they have no part in this."""
SHORT_SECONDS = 0.3
THREADS = 16
PROMISED_SECONDS = 1.0 if CUTS >= 1000 else 5.0
PATIENT_SECONDS = 5.0


def said(sql: str) -> TextClause:
    return text(sql).execution_options(leaves_no_trace=True)


SLOW_WRITE = said(
    "UPDATE author SET name = (SELECT COUNT(*) FROM book a, book b, book c"
    " WHERE a.book_id * b.book_id * c.book_id % 1009 = 7)"
)
WRITE = said("UPDATE author SET name = 'late'")
LATE = text("SELECT COUNT(*) FROM author WHERE name NOT LIKE 'Author %'")


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    return make_service(deadline_seconds=POLICY_SECONDS)


@pytest.fixture(autouse=True)
def as_it_was(seeded: Database) -> Iterator[None]:
    yield
    with seeded.connect() as connection:
        connection.execute(text("UPDATE author SET name = CONCAT('Author ', author_id)"))


def asleep(server: FaultServer) -> TextClause:
    return said("SELECT SLEEP(60)" if server.is_mysql else "SELECT pg_sleep(60)")


@contextmanager
def locked_rows(database: Database) -> Iterator[None]:
    with plain_engine(database.url).connect() as connection:
        connection.execute(text("SELECT * FROM author FOR UPDATE"))
        yield
        connection.rollback()


def cut(service: Service, statement: TextClause) -> None:
    """Have the writer cut a statement in the middle, on a connection that was made before."""
    with held(service.writer):
        pass
    service.patience = lambda: SHORT_SECONDS
    told = service.do(lambda: in_transaction(service.writer, lambda made: made.execute(statement)))
    assert told == "too slow"


def busy(server: FaultServer, user: str) -> list[str]:
    """Return what the server does for this user, or undoes."""
    return [each.statement for each in server.sessions(user) if each.command not in ("Sleep", "idle")]


def late(witness: Witness) -> int:
    return int(witness.connection.scalar(LATE) or 0)


def assert_ended(server: FaultServer, user: str, witness: Witness, engine: Engine) -> None:
    assert eventually(lambda: busy(server, user) == [], PATIENT_SECONDS), busy(server, user)
    assert late(witness) == 0
    assert steady(engine).snapshot()["orphaned"] == 0


@everywhere
def test_a_slow_write_is_ended_and_undone(
    service: Service, fault_server: FaultServer, user: str, witness: Witness
) -> None:
    cut(service, SLOW_WRITE)

    assert_ended(fault_server, user, witness, service.writer)
    assert in_transaction(service.writer, lambda made: made.execute(WRITE).rowcount) == 100, "and nothing is locked"


@everywhere
def test_so_is_one_that_waits_for_a_lock(
    service: Service, seeded: Database, fault_server: FaultServer, user: str, witness: Witness
) -> None:
    with locked_rows(seeded):
        cut(service, WRITE)

        assert eventually(lambda: WRITE.text not in busy(fault_server, user), PATIENT_SECONDS)

    assert_ended(fault_server, user, witness, service.writer)


@on_mysql_family
@pytest.mark.parametrize("driver", [MYSQLDB, "mysqlconnector"])
def test_with_each_driver(
    make_service: Callable[..., Service], fault_server: FaultServer, user: str, witness: Witness, driver: str
) -> None:
    service = make_service(f"{fault_server.backend}+{driver}", deadline_seconds=POLICY_SECONDS)

    cut(service, SLOW_WRITE)

    assert_ended(fault_server, user, witness, service.writer)


@everywhere
def test_after_many_cuts_nothing_of_ours_is_left(
    make_service: Callable[..., Service], fault_server: FaultServer, user: str, witness: Witness
) -> None:
    service = make_service(deadline_seconds=POLICY_SECONDS, size=THREADS, writer_size=THREADS)
    service.patience = lambda: 1.0
    sleep = asleep(fault_server)
    work: list[Callable[[], object]] = [
        lambda: read(service.reader, lambda made: made.execute(sleep).all()),
        lambda: in_transaction(service.writer, lambda made: made.execute(SLOW_WRITE)),
        lambda: in_transaction(service.writer, lambda made: [made.execute(WRITE), made.execute(sleep)]),
    ]
    told = list[str]()

    def cut_some(turn: int) -> None:
        while told.count("too slow") < CUTS:
            told.append(service.do(work[turn % len(work)]))

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(cut_some, range(THREADS)))
    seconds_until(lambda: busy(fault_server, user) == [], PROMISED_SECONDS)

    assert set(told) <= {"too slow", "down", "exhausted"}
    assert late(witness) == 0
    for engine in (service.reader, service.writer):
        assert_nothing_is_lent(engine)
        assert steady(engine).snapshot()["orphaned"] == 0


@everywhere
def test_a_server_that_is_frozen_is_not_asked_until_it_goes_on(
    make_service: Callable[..., Service], fault_server: FaultServer, user: str
) -> None:
    service = make_service(deadline_seconds=POLICY_SECONDS)
    service.patience = lambda: 2.0
    with held(service.reader, 8):
        pass

    with ThreadPoolExecutor(8) as threads:
        told = [
            threads.submit(service.do, lambda: read(service.reader, lambda made: made.execute(asleep(fault_server))))
            for _ in range(8)
        ]
        assert eventually(lambda: len(fault_server.running(user)) == 8)
        fault_server.freeze()
        assert {each.result() for each in told} == {"too slow"}
    assert [each for each in threading.enumerate() if each.name == "database-ending"] == []
    fault_server.thaw()

    assert eventually(lambda: busy(fault_server, user) == [], PATIENT_SECONDS), busy(fault_server, user)
    assert steady(service.reader).snapshot()["orphaned"] == 0


@on_mysql_family
def test_a_server_that_is_full_is_given_up(
    service: Service, fault_server: FaultServer, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "GIVE_UP_SECONDS", SHORT_SECONDS)
    fault_server.admin(f"ALTER USER '{user}'@'%' WITH MAX_USER_CONNECTIONS 2")
    try:
        with held(service.writer, 2):
            pass
        cut(service, SLOW_WRITE)

        assert eventually(lambda: steady(service.writer).snapshot()["orphaned"] == 1, PATIENT_SECONDS)
        assert busy(fault_server, user) == [SLOW_WRITE.text]
    finally:
        fault_server.admin(f"ALTER USER '{user}'@'%' WITH MAX_USER_CONNECTIONS 0")
        fault_server.kill_connections(user)
    assert eventually(lambda: busy(fault_server, user) == [], PATIENT_SECONDS)


@on_postgresql
def test_a_full_postgresql_ends_it_all_the_same(service: Service, fault_server: FaultServer, user: str) -> None:
    with held(service.writer, 2):
        pass
    fault_server.admin(f"ALTER ROLE {user} CONNECTION LIMIT 2")
    try:
        cut(service, SLOW_WRITE)

        assert eventually(lambda: busy(fault_server, user) == [], PATIENT_SECONDS)
    finally:
        fault_server.admin(f"ALTER ROLE {user} CONNECTION LIMIT -1")


@on_postgresql
def test_a_commit_that_waits_for_a_replica_is_left_to_its_own_end(
    service: Service, fault_server: FaultServer, user: str, witness: Witness
) -> None:
    service.patience = lambda: SHORT_SECONDS
    unit = Unit()
    fault_server.admin("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    fault_server.admin("SELECT pg_reload_conf()")
    try:

        def is_unknown() -> bool:
            nonlocal unit
            unit = Unit()
            return service.do(lambda: in_transaction(service.writer, unit)) == "unknown"

        assert eventually(is_unknown, PATIENT_SECONDS)
        cut(service, SLOW_WRITE)  # what is ended after it shows that there was time for it

        assert eventually(lambda: set(busy(fault_server, user)) == {"COMMIT"}, PATIENT_SECONDS)
        assert witness.times(unit) == 0, "nobody sees what no replica has"
    finally:
        fault_server.admin("ALTER SYSTEM RESET synchronous_standby_names")
        fault_server.admin("SELECT pg_reload_conf()")
    assert eventually(lambda: witness.times(unit) == 1, PATIENT_SECONDS)
