"""What a read costs: one command on the wire, and no connection of its own."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from steadypool.drivers import tls
from testkit.drivers import MYSQLDB
from testkit.fault_servers import FaultServer
from testkit.packets import COM_QUERY
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.library import NAMES, NUMBERS
from tests.pool.service import WAYS, Clients, Service
from tests.support.kinds import on_mariadb, on_mysql_family, on_postgresql
from tests.support.pools import held

READS = 10
COMMANDS = "Com_select", "Com_rollback", "Com_commit", "Com_begin", "Com_set_option", "Com_admin_commands"
DRIVERS = ["pymysql", MYSQLDB]

pytestmark = pytest.mark.long_form("mariadb118")


def read_some(service: Service, number: int = READS) -> None:
    for place, title in enumerate(NAMES[:number]):
        assert service.ask(title, WAYS[place % 2]) == ("found", NUMBERS[title])


@on_mysql_family
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_warm_read_is_one_command(
    make_service: Callable[..., Service], fault_server: FaultServer, proxy: Proxy, driver: str
) -> None:
    service = make_service(f"{fault_server.backend}+{driver}")
    read_some(service, 2)

    with fault_server.counting(*COMMANDS) as counted, proxy.counting() as passed:
        read_some(service)

    assert counted == {**dict.fromkeys(counted, 0), "Com_select": READS}
    assert passed.commands == {COM_QUERY: READS}
    assert (passed.round_trips, passed.accepted) == (READS, 0)


@on_postgresql
def test_a_warm_read_is_one_round_trip(service: Service, proxy: Proxy) -> None:
    read_some(service, 14)  # psycopg prepares a statement the sixth time, which is a round trip more, once

    with proxy.counting() as passed:
        read_some(service)

    assert (passed.round_trips, passed.accepted) == (READS, 0)


@on_mariadb
def test_with_tls_as_well(make_service: Callable[..., Service], fault_server: FaultServer, proxy: Proxy) -> None:
    service = make_service(tls="verify", tls_ca=fault_server.ca)
    read_some(service, 2)

    with fault_server.counting(*COMMANDS, "Connections") as counted, proxy.counting() as passed:
        read_some(service)

    assert counted == {**dict.fromkeys(counted, 0), "Com_select": READS}
    assert passed.round_trips == READS


@on_mariadb
def test_a_thousand_reads_share_the_connections_of_the_pool(
    service: Service, fault_server: FaultServer, user: str
) -> None:
    def read(title: str) -> bool:
        return service.ask(title) == ("found", NUMBERS[title])

    with fault_server.counting("Connections", "Aborted_clients") as counted:
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(read, (NAMES * 2)[:1000]))
        assert 0 < len(fault_server.sessions(user)) <= service.pool.size()
        service.reader.dispose()
        assert eventually(lambda: fault_server.sessions(user) == [])

    assert answers == [True] * 1000
    assert counted["Connections"] <= service.pool.size()
    assert counted["Aborted_clients"] == 0, "closed without a goodbye"


@on_mariadb
def test_a_burst_after_a_restart_makes_no_tls_context(
    make_service: Callable[..., Service], fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    make = ssl.SSLContext.__new__

    def note(*parts: Any, **more: Any) -> Any:
        if not threading.current_thread().name.startswith("fault-server"):  # which talk to Docker
            made.append(parts)
        return make(*parts, **more)

    monkeypatch.setattr(ssl.SSLContext, "__new__", note)
    tls.shared_context.cache_clear()
    service = make_service(tls="require")

    with held(service.reader, 8):
        pass
    assert len(made) == 1
    fault_server.restart()
    made.clear()  # the bench's own
    clients = Clients(service, 16)
    clients.ask_once()

    assert clients.failed == []
    assert service.pool.snapshot()["opened"] > 8
    assert made == []


@on_mysql_family
@pytest.mark.parametrize("driver", DRIVERS)
def test_commands_to_connect(
    make_service: Callable[..., Service], fault_server: FaultServer, proxy: Proxy, driver: str
) -> None:
    engine = make_service(f"{fault_server.backend}+{driver}").reader
    with held(engine, 1), proxy.counting() as passed, held(engine, 3):  # the first learns about the server as well
        pass

    assert passed.accepted == 3
    assert passed.commands == {COM_QUERY: 3 * CONNECT_QUERIES}


CONNECT_QUERIES = 4


@on_postgresql
def test_round_trips_to_connect(service: Service, proxy: Proxy) -> None:
    engine = service.reader
    with held(engine, 1), proxy.counting() as passed, held(engine, 3):
        pass

    # start-up, SCRAM twice
    assert (passed.accepted, passed.round_trips) == (3, 3 * 3)
