"""An idle connection that was closed is found out before use and without a round trip; none outlives its time."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from testkit.drivers import MYSQLDB
from testkit.fault_servers import FaultServer, Kind
from testkit.packets import COM_PING, COM_QUERY
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.service import FOUND, Service
from tests.support.kinds import on, on_mariadb, on_mysql_family
from tests.support.pools import held

CONNECT_QUERIES = 4
DRIVERS = ["pymysql", MYSQLDB]

pytestmark = pytest.mark.long_form("mariadb118")


def ask(service: Service) -> None:
    assert service.ask() == FOUND


def opened(service: Service) -> int:
    return int(service.pool.snapshot()["opened"])


@contextmanager
def without_a_retry(service: Service) -> Iterator[None]:
    """What is found out before use is not found out by a failed statement."""
    before = service.pool.snapshot()
    yield
    after = service.pool.snapshot()
    assert (after["retried"], after["closed"].get("error")) == (before["retried"], before["closed"].get("error"))


def open_and_kill(service: Service, server: FaultServer, user: str, number: int = 4) -> None:
    """Have so many idle connections, and have the server close them."""
    with held(service.reader, number):
        pass
    ask(service)
    assert server.kill_connections(user) == number
    assert eventually(lambda: not server.sessions(user) and have_heard(service))


def have_heard(service: Service) -> bool:
    """Tell whether the end of each idle connection has come here."""
    pool, asked = service.pool, select.poll()
    files = [pool.driver.file_descriptor(each.dbapi_connection) for each in list(pool.slots.idle)]
    left = {file for file in files if file is not None}
    for file in left:
        asked.register(file, select.POLLIN)
    return len(asked.poll(0)) == len(left)  # the housekeeping may close one meanwhile, which counts as heard


def let_time_pass(service: Service) -> None:
    """Have idle connections be so for longer than is believed of them without asking."""
    for connection in service.pool.slots.idle:
        connection.used -= service.policy.ping_after_seconds + 1


@pytest.mark.parametrize("driver", DRIVERS)
@on_mysql_family
def test_killed_while_idle(
    make_service: Callable[..., Service], fault_server: FaultServer, proxy: Proxy, user: str, driver: str
) -> None:
    service = make_service(f"{fault_server.backend}+{driver}")
    open_and_kill(service, fault_server, user)

    with without_a_retry(service), proxy.counting() as passed:
        ask(service)

    assert passed.commands[COM_PING] == 0
    assert passed.commands[COM_QUERY] == CONNECT_QUERIES + 1
    assert passed.accepted == 1


@on(Kind.POSTGRESQL)
def test_terminated_while_idle(service: Service, fault_server: FaultServer, proxy: Proxy, user: str) -> None:
    open_and_kill(service, fault_server, user)

    with without_a_retry(service), proxy.counting() as passed:
        ask(service)

    assert passed.accepted == 1
    assert passed.round_trips == 3 + 1  # start-up and SCRAM, and the question


@on_mariadb
def test_killed_while_idle_with_tls(make_service: Callable[..., Service], fault_server: FaultServer, user: str) -> None:
    service = make_service(tls="verify", tls_ca=fault_server.ca)
    open_and_kill(service, fault_server, user)

    with without_a_retry(service), fault_server.counting("Com_select", "Com_admin_commands", "Connections") as counted:
        ask(service)

    assert counted == {"Com_select": 2, "Com_admin_commands": 0, "Connections": 1}  # one asks for wait_timeout


@on(*Kind)
def test_restarted_while_idle(service: Service, fault_server: FaultServer, proxy: Proxy) -> None:
    with held(service.reader, 4):
        pass
    fault_server.restart()

    with without_a_retry(service), proxy.counting() as passed:
        ask(service)
        ask(service)

    assert passed.commands[COM_PING] == 0
    assert passed.accepted == 1


@pytest.mark.parametrize("tls", ["off", "require"])
@on_mysql_family
def test_closed_for_idling(
    make_service: Callable[..., Service], fault_server: FaultServer, user: str, tls: str
) -> None:
    service = make_service(tls=tls)
    shorten = text("SET SESSION wait_timeout = 1").execution_options(leaves_no_trace=True)
    with held(service.reader, 3) as connections:
        for connection in connections:
            connection.execute(shorten)  # the pool does not know, and has them down for half an hour
    assert eventually(lambda: not fault_server.sessions(user) and have_heard(service))

    with without_a_retry(service), fault_server.counting("Com_admin_commands") as counted:
        ask(service)

    assert counted == {"Com_admin_commands": 0}
    assert opened(service) == 4


@on_mariadb
def test_without_the_test_the_statement_finds_out(
    make_service: Callable[..., Service], fault_server: FaultServer, user: str
) -> None:
    service = make_service(pre_ping=False, size=1)
    open_and_kill(service, fault_server, user, 1)

    ask(service)

    assert service.pool.snapshot()["retried"] == 1


@on_mariadb
def test_a_ping_goes_out_only_after_long_idling(service: Service, proxy: Proxy) -> None:
    ask(service)

    with proxy.counting() as soon:
        ask(service)
        ask(service)
    let_time_pass(service)
    with proxy.counting() as late:
        ask(service)
        ask(service)

    assert soon.commands == {COM_QUERY: 2}
    assert late.commands == {COM_QUERY: 2, COM_PING: 1}
    assert (late.accepted, late.round_trips) == (0, 3)


@on(Kind.POSTGRESQL)
def test_a_ping_is_a_round_trip(service: Service, proxy: Proxy) -> None:
    ask(service)
    let_time_pass(service)

    with proxy.counting() as late:
        ask(service)

    assert (late.accepted, late.round_trips) == (0, 2)


@on_mariadb
def test_tls_does_not_look_like_an_end(make_service: Callable[..., Service], proxy: Proxy) -> None:
    service = make_service(tls="require")
    ask(service)
    time.sleep(0.1)  # session tickets come when they like

    with proxy.counting() as passed:
        for _ in range(10):
            ask(service)

    assert (passed.accepted, opened(service)) == (0, 1)
