"""No connection outlives its time, none is kept that is not needed, and all go with a goodbye."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from steadypool.core import connection as core_connection
from testkit.fault_servers import FaultServer
from testkit.packets import Packet
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.faults.test_freshness import ask, opened
from tests.pool.service import Clients, Service
from tests.support.kinds import on_mariadb, on_mysql_family
from tests.support.pools import held

pytestmark = pytest.mark.long_form("mariadb118")


@on_mariadb
def test_a_hundred_connections_do_not_die_in_one_second(make_service: Callable[..., Service]) -> None:
    ends = lifetimes(make_service(size=100).reader, 100)

    assert all(0.9 * 1800 <= life <= 1800 for life, _ in ends)
    deaths = sorted(end for _, end in ends)
    most_in_a_second = max(sum(first <= end < first + 1 for end in deaths) for first in deaths)
    assert most_in_a_second <= 10  # 100 over 180 s; more than 10 within one is less likely than one in a billion


@on_mysql_family
def test_the_servers_own_limit_counts_if_it_is_shorter(
    make_service: Callable[..., Service], fault_server: FaultServer
) -> None:
    with fault_server.set_globally(wait_timeout=20):
        ends = lifetimes(make_service(size=20).reader, 20)

    assert all(16 <= life <= 20 for life, _ in ends)
    [(life, _)] = lifetimes(make_service().reader, 1)
    assert life > 20, "it was not set back"


def lifetimes(engine: Engine, number: int) -> list[tuple[float, float]]:
    """Open so many connections at once; return how long each may live, and until when."""
    with held(engine, number) as connections:
        entries: list[Any] = [connection.connection._connection_record for connection in connections]
        return [(entry.expires - entry.opened, entry.expires) for entry in entries]


@on_mariadb
def test_connections_go_before_the_server_ends_them(
    make_service: Callable[..., Service], fault_server: FaultServer
) -> None:
    with fault_server.set_globally(wait_timeout=2), fault_server.counting("Aborted_clients") as counted:
        service = make_service(size=4)
        with held(service.reader, 4):
            pass
        clients = Clients(service, 2, pause=0.2)
        with clients.running():
            assert eventually(lambda: service.pool.snapshot()["closed"].get("expired", 0) >= 4)
            assert eventually(lambda: opened(service) > 4)

    assert clients.failed == []
    assert service.pool.snapshot()["closed"].keys() <= {"expired"}
    assert counted == {"Aborted_clients": 0}


@on_mariadb
def test_a_step_of_the_wall_clock_changes_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(service)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 86_400)

    ask(service)
    monkeypatch.setattr(time, "time", lambda: now() - 86_400)
    ask(service)

    assert opened(service) == 1


@on_mariadb
def test_the_connection_used_last_is_used_next(service: Service, proxy: Proxy) -> None:
    with held(service.reader, 4):
        pass
    used: set[int] = set()

    def note(packet: Packet) -> None:
        used.add(packet.connection)

    proxy.watch(note)
    for _ in range(10):
        ask(service)

    assert len(used) == 1


@on_mariadb
def test_what_is_not_needed_is_let_go_with_a_goodbye(
    service: Service, fault_server: FaultServer, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_connection, "IDLE_SECONDS", 0.3)
    with fault_server.counting("Aborted_clients") as counted:
        with held(service.reader, 8):
            assert len(fault_server.sessions(user)) == 8

        clients = Clients(service, 1, pause=0.05)
        with clients.running():
            assert eventually(lambda: len(fault_server.sessions(user)) == 1)

    assert clients.failed == []
    assert counted == {"Aborted_clients": 0}
    assert service.pool.snapshot()["closed"] == {"idle": 7}
