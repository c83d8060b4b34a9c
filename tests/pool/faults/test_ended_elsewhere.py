"""Nobody else's statement is ended: on no other server, in no other run of the same one, by no doing of a proxy's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
import pytest
from sqlalchemy import URL, Connection, exc, make_url, text

from steadypool import in_transaction
from steadypool.core import endings
from testkit.databases import Database, administer, plain_engine
from testkit.fault_servers import FaultServer, Kind
from testkit.proxy import Proxy
from testkit.servers import Server
from testkit.waiting import eventually
from tests.pool.faults.test_ended import PATIENT_SECONDS, POLICY_SECONDS, SHORT_SECONDS, SLOW_WRITE, busy, cut, said
from tests.pool.service import Service
from tests.support.kinds import on, on_mysql_family, on_postgresql
from tests.support.pools import steady
from tests.support.sharing import obtain_or_skip

NUMBER = said("SELECT CONNECTION_ID()")


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    return make_service(deadline_seconds=POLICY_SECONDS)


@pytest.fixture
def twin(request: pytest.FixtureRequest, fault_server: FaultServer, seeded: Database) -> Iterator[Server]:
    """Another server of the same kind, with a user and a database of the same names."""
    server, url = obtain_or_skip(request.config, fault_server.name), make_url(seeded.url)
    user = f"'{url.username}'@'%'" if fault_server.is_mysql else str(url.username)
    login = f"IDENTIFIED BY '{url.password}'" if fault_server.is_mysql else f"LOGIN PASSWORD '{url.password}'"
    administer(server.url, f"CREATE USER {user} {login}", f"CREATE DATABASE {url.database}")
    if fault_server.is_mysql:
        administer(server.url, f"GRANT ALL PRIVILEGES ON {url.database}.* TO {user}")
    yield server
    administer(server.url, f"DROP DATABASE {url.database}", f"DROP USER {user}")


def at(url: URL) -> Any:
    return pymysql.connect(host=url.host, port=url.port, user=url.username, password=url.password or "")


def number_of(service: Service) -> int:
    """Return the number of the connection that the writer keeps."""
    return int(in_transaction(service.writer, lambda made: made.scalar(NUMBER)) or 0)


def in_background(work: Callable[[], object]) -> threading.Thread:
    def try_it() -> None:
        with suppress(pymysql.Error, exc.DBAPIError):  # it is ended, in the end
            work()

    thread = threading.Thread(target=try_it, daemon=True)
    thread.start()
    return thread


def count_up(url: URL, number: int) -> None:
    """Have the server's next connection get a number above this one, if it is not there yet.

    Nobody logs in to those in between, which is ten times faster. Of a hundred in a row the server would take offence.
    """
    while (made := at(url)).thread_id() < number:
        made.close()
        for _ in range(min(50, number - made.thread_id())):
            with socket.create_connection((url.host, url.port)) as greeted:
                greeted.recv(1)
    made.close()


@contextmanager
def namesake(service: Service, here: URL, there: URL) -> Iterator[Any]:
    """Yield a connection there that has the number that the writer's has here, and is at work."""
    count_up(there, number_of(service) - 1)
    while (made := at(there)).thread_id() != (number := number_of(service)):
        made.close()
        if made.thread_id() > number:
            service.writer.dispose()
            count_up(here, made.thread_id() + 5)
    asleep = in_background(lambda: made.cursor().execute("DO SLEEP(60)"))
    yield made
    with at(there) as other:
        other.cursor().execute(f"KILL QUERY {number}")
    asleep.join()
    made.close()


def looking_on(url: URL) -> Connection:
    # In a transaction PostgreSQL would show the same list again.
    return plain_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT")


def is_at_work(server: Server, connection: Any) -> bool:
    with plain_engine(server.url).connect() as admin:
        seen = {row[0]: row[4] for row in admin.execute(text("SHOW PROCESSLIST"))}
    return seen.get(connection.thread_id()) == "Query"


class Split:
    """A connection of which a proxy sends each KILL elsewhere."""

    def __init__(self, here: Any, there: Any) -> None:
        self._here, self._there = here.cursor(), there.cursor()
        self.fetchall = self._here.fetchall
        self.killed: list[str] = []

    def cursor(self) -> Split:
        return self

    @property
    def description(self) -> Any:
        return self._here.description

    def execute(self, sql: str, values: tuple[Any, ...] | None = None) -> None:
        if not sql.startswith("KILL"):
            self._here.execute(sql, values)
            return
        self.killed.append(sql)
        self._there.execute(sql, values)


@on(Kind.MARIADB, Kind.MYSQL)
def test_a_proxy_that_leads_to_another_server_by_now(
    service: Service,
    fault_server: FaultServer,
    seeded: Database,
    twin: Server,
    proxy: Proxy,
    user: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endings, "GIVE_UP_SECONDS", SHORT_SECONDS)
    url = make_url(seeded.url)
    there = url.set(port=twin.url.port, database=None)
    with namesake(service, url, there) as other:
        assert eventually(lambda: is_at_work(twin, other))
        with service.writer.connect() as connection, at(url) as here, at(there) as elsewhere:
            session = connection.connection._connection_record.session
            split = Split(here, elsewhere)
            steady(service.writer).driver.end([session], lambda: split)
        assert len(split.killed) == 1
        proxy.lead_to(int(twin.url.port or 0))
        cut(service, SLOW_WRITE)

        assert eventually(lambda: steady(service.writer).snapshot()["orphaned"] == 1, PATIENT_SECONDS)
        assert is_at_work(twin, other)
        assert busy(fault_server, user) == [SLOW_WRITE.text]
    fault_server.kill_connections(user)
    assert eventually(lambda: busy(fault_server, user) == [], PATIENT_SECONDS)


@on_postgresql
def test_another_postgresql_does_not_heed_it(
    service: Service, fault_server: FaultServer, seeded: Database, twin: Server, proxy: Proxy, user: str
) -> None:
    url = make_url(seeded.url)
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"
    with plain_engine(url.set(port=twin.url.port)).connect() as other, looking_on(twin.url) as admin:
        asleep = in_background(lambda: other.execute(text("SELECT pg_sleep(60)")))
        assert eventually(lambda: admin.scalar(text(running)) == 1)
        in_transaction(service.writer, lambda made: made.scalar(said("SELECT 1")))
        proxy.lead_to(int(twin.url.port or 0))

        cut(service, SLOW_WRITE)
        ours = steady(service.writer).rounds.endings
        assert eventually(lambda: ours._asked and not (ours._try or ours._waiting), PATIENT_SECONDS)

        assert admin.scalar(text(running)) == 1
        assert busy(fault_server, user) == [SLOW_WRITE.text]
        admin.execute(text("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"))
        asleep.join()
    fault_server.kill_connections(user)
    assert eventually(lambda: busy(fault_server, user) == [], PATIENT_SECONDS)


@on_mysql_family
def test_a_session_of_another_server_or_of_an_earlier_run_is_left_alone(service: Service, seeded: Database) -> None:
    driver = steady(service.writer).driver
    with service.writer.connect() as connection, plain_engine(seeded.url).connect() as side:
        right = connection.connection._connection_record.session

        def left(session: Any) -> list[Any]:
            sessions = [session]
            driver.end(sessions, lambda: side.connection.dbapi_connection)
            return sessions

        for wrong in (right._replace(server=right.server | {"@@port": 1}), right._replace(known_since=0.0)):
            assert left(wrong) == [wrong]
            assert connection.scalar(NUMBER) == right.number, "it lives"
        assert left(right) == []
        assert left(right) == [], "it is gone: that is as good"
        connection.invalidate()
