"""Where a deadline is easily lost: names, a thread that sleeps through it, the first connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pymysql
import pytest
from sqlalchemy import Engine, make_url

from steadypool import deadline
from steadypool.core.slots import Slots
from steadypool.errors import DatabaseDownError
from testkit.databases import Database
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.faults.test_deadline import SLACK_SECONDS
from tests.pool.service import Clients, Service
from tests.support.kinds import on_mariadb

DEADLINE_SECONDS = 1.0


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    """A service with the deadline of these tests, its pool empty."""
    return make_service(deadline_seconds=DEADLINE_SECONDS)


@on_mariadb
def test_a_name_with_two_addresses_has_no_more_time_than_one(
    service: Service, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_address = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *values, **names: 2 * one_address(*values, **names))
    proxy.lose_syns()

    clients = Clients(service, 1).run(0)

    assert set(clients.statuses) == {"down"}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS


@on_mariadb
def test_a_name_server_has_no_more_time_than_the_database(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up_slowly(*_: object, **__: object) -> None:
        time.sleep(2 * DEADLINE_SECONDS)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up_slowly)

    clients = Clients(service, 1).run(0)

    assert set(clients.statuses) == {"down"}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS


@on_mariadb
def test_a_thread_that_slept_through_its_deadline_is_cut_too(
    service: Service, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clients(service, 1).run(0)
    take = Slots.take

    def take_and_sleep(*arguments: Any, **options: Any) -> Any:
        taken, due = take(*arguments, **options), deadline.current()
        assert due
        time.sleep(due.left + 0.2)
        return taken

    monkeypatch.setattr(Slots, "take", take_and_sleep)
    proxy.black_hole()

    clients = Clients(service, 1).run(0)

    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
    assert not clients.stuck


@on_mariadb
def test_nobody_waits_for_the_first_connection_beyond_the_deadline(
    service: Service, seeded: Database, proxy: Proxy
) -> None:
    proxy.black_hole(after_bytes=size_of_handshake(proxy, seeded) + 1)
    before = proxy.counts().accepted

    with ThreadPoolExecutor() as others:
        first = others.submit(connect_within, DEADLINE_SECONDS + 2 * SLACK_SECONDS, service.reader)
        assert eventually(lambda: proxy.counts().accepted > before)
        clients = Clients(service, service.pool.size() - 1).run(0)  # nobody waits for a permit

    assert isinstance(first.exception(), DatabaseDownError)
    assert set(clients.statuses) == {"down"}
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS


def size_of_handshake(proxy: Proxy, database: Database) -> int:
    url = make_url(proxy.url(database.url))
    to = {"host": url.host, "port": url.port, "user": url.username, "password": url.password, "database": url.database}
    with proxy.counting() as counts, closing(pymysql.connect(**to, autocommit=None, ssl_disabled=True)):
        pass
    return counts.bytes_to_server + counts.bytes_to_client


def connect_within(seconds: float, engine: Engine) -> None:
    with deadline.within(seconds), engine.connect():
        pass
