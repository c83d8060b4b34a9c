"""A server that has room for fewer connections than the pool would open: those that there are go from hand to hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pymysql
import pytest
from sqlalchemy import make_url

from testkit.databases import Database
from testkit.fault_servers import FaultServer
from tests.pool.service import Clients, Service
from tests.support.kinds import on_mariadb
from tests.support.leftovers import assert_nothing_is_lent, seconds_until
from tests.support.pools import held

ROOM, SIZE, THREADS = 3, 8, 16
SECONDS = 2.0
GROWN_AFTER_SECONDS = 8.0
"""The server is asked every five seconds, at the longest, and by somebody who is there anyway."""


def limit_mysql(server: FaultServer, user: str, most: int) -> None:
    server.admin(f"ALTER USER '{user}'@'%' WITH MAX_USER_CONNECTIONS {most}")  # 1226


def limit_postgresql(server: FaultServer, user: str, most: int) -> None:
    server.admin(f"ALTER ROLE {user} CONNECTION LIMIT {most or -1}")


@pytest.fixture
def limit(fault_server: FaultServer, user: str) -> Iterator[Callable[[int], None]]:
    """Change how many connections the server allows the service; none at the end."""
    set_to = limit_mysql if fault_server.is_mysql else limit_postgresql
    yield lambda most: set_to(fault_server, user, most)
    set_to(fault_server, user, 0)


@contextmanager
def others_taking_all_but(room: int, server: FaultServer, database: Database) -> Iterator[None]:
    """Have strangers hold all of `max_connections` but so many."""
    url = make_url(database.admin_url)
    to: dict[str, Any] = {"host": url.host, "port": url.port, "user": "stranger", "password": "stranger"}
    server.admin("CREATE USER stranger@'%' IDENTIFIED BY 'stranger'")
    with server.set_globally(max_connections=10), ExitStack() as strangers:
        taken = server.admin("SELECT count(*) FROM information_schema.processlist WHERE user NOT IN ('system user')")
        for _ in range(10 - taken[0][0] - room):
            strangers.callback(pymysql.connect(**to).close)
        yield
    server.admin("DROP USER stranger@'%'")


def assert_all_served(clients: Clients) -> None:
    assert set(clients.statuses) == {"found"}
    assert not clients.stuck
    assert not [answer for answer in clients.answers if answer.is_wrong]


def test_whoever_finds_no_connection_waits_for_a_return(
    make_service: Callable[..., Service], limit: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    service = make_service(size=SIZE)
    pool = service.pool
    limit(ROOM)

    assert_all_served(Clients(service, THREADS).run(SECONDS))

    assert pool.checkedin() == ROOM
    assert pool.breaker.state == "closed"
    assert caplog.text.count("the server has no room for more") == 1
    assert_nothing_is_lent(service.reader)

    limit(0)  # as many as you like
    with Clients(service, THREADS).running() as clients:
        seconds_until(
            lambda: pool.checkedin() + pool.checkedout() > ROOM and pool.slots.limit == SIZE, GROWN_AFTER_SECONDS
        )
    assert_all_served(clients)
    assert_nothing_is_lent(service.reader)


@on_mariadb
def test_a_server_full_of_others_leaves_us_what_we_have(
    make_service: Callable[..., Service], fault_server: FaultServer, seeded: Database
) -> None:
    service = make_service(size=SIZE)

    with others_taking_all_but(ROOM, fault_server, seeded):
        assert_all_served(Clients(service, THREADS).run(SECONDS))  # 1040
    assert_nothing_is_lent(service.reader)


def test_a_limit_that_is_lowered_under_way(make_service: Callable[..., Service], limit: Callable[[int], None]) -> None:
    service = make_service(size=SIZE)
    pool = service.pool
    with Clients(service, THREADS).running() as clients:
        time.sleep(0.3)
        limit(1)
        pool.slots.condemn()  # so that all have to be made anew
        time.sleep(SECONDS)
    assert_all_served(clients)
    assert_nothing_is_lent(service.reader)


def test_one_connection_for_all(make_service: Callable[..., Service], limit: Callable[[int], None]) -> None:
    service = make_service(size=SIZE)
    limit(1)

    assert_all_served(Clients(service, THREADS).run(SECONDS))


def test_a_server_full_of_others_alone_is_away(
    make_service: Callable[..., Service], limit: Callable[[int], None]
) -> None:
    ours = make_service(size=SIZE, deadline_seconds=1)
    others = make_service(size=SIZE)
    limit(1)

    with held(others.reader):
        clients = Clients(ours, 4).run(2)
    others.dispose()

    assert set(clients.statuses) == {"down"}
    assert clients.slowest < 1.5
    seconds_until(lambda: ours.pool.breaker.state == "closed", 2)
    assert_all_served(Clients(ours, 4).run(1))
