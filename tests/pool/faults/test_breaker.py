"""The database is down, silent or full: who is told so at once, and when the first answer comes again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from math import inf

import pymysql
import pytest

from steadypool import connecting
from testkit.fault_servers import FaultServer, Kind
from testkit.packets import Cut
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.service import FOUND, Clients, Service
from tests.support.kinds import on_each_driver, on_mariadb, on_mysql, on_mysql_family
from tests.support.leftovers import leaving_nothing, seconds_until
from tests.support.pools import held


@pytest.mark.parametrize(
    ("fault_server", "strategy"),
    [*((kind, "queue") for kind in (Kind.MARIADB, Kind.MYSQL, Kind.POSTGRESQL)), (Kind.MARIADB, "request")],
    indirect=["fault_server"],
    ids=lambda value: value.value if isinstance(value, Kind) else value,
    scope="session",
)
def test_after_a_crash_the_first_answer_comes_within_a_second(
    fault_server: FaultServer, make_service: Callable[..., Service], strategy: str
) -> None:
    with leaving_nothing():
        service = make_service(strategy=strategy)
        clients = Clients(service, 8, pause=0.02)
        with clients.running():
            assert eventually(lambda: clients.answers)
            fault_server.kill()
            assert eventually(lambda: service.pool.breaker.state == "open")
            down = time.monotonic()
            back = fault_server.start()
            assert eventually(lambda: clients.asked_after(back + 1))

        first = min(answer.ended or inf for answer in clients.asked_after(down) if answer.status == "found")
        print(f"first answer {first - back:.2f} s after the server let somebody in")
        assert first - back < 1.0
        assert {answer.status for answer in clients.asked_after(back + 1)} == {"found"}
        service.dispose()


def assert_refused_at_once(service: Service) -> int:
    """Let newcomers ask; return how many of them were refused."""
    newcomers = Clients(service, 4, pause=0.01)
    with newcomers.running():
        assert eventually(lambda: len(newcomers.answers) > 50)
    assert set(newcomers.statuses) == {"down"}
    assert newcomers.slowest < 0.25
    return len(newcomers.answers)


@on_each_driver
def test_while_it_is_down_requests_are_refused_at_once_and_nobody_storms(
    make_service: Callable[..., Service], proxy: Proxy
) -> None:
    service = make_service(deadline_seconds=2)
    size = service.pool.size()
    clients = Clients(service, size, pause=0.01).run(0.3)  # nobody waits for a permit

    with proxy.counting() as counts:
        proxy.refuse()
        proxy.reset_all()
        with clients.running():
            seconds_until(lambda: service.pool.breaker.state == "open", 1.5)
            assert_refused_at_once(service)  # while as many as there are permits wait until their deadline

    assert {answer.status for answer in clients.failed} == {"down"}
    assert service.pool.snapshot()["probes"] < 6 + 4 / 0.1  # connects that are refused never reach the proxy
    assert counts.accepted <= size
    assert service.ask().word == "down"


@on_each_driver
def test_silence_is_found_out_though_idle_connections_look_good(
    make_service: Callable[..., Service], proxy: Proxy
) -> None:
    service = make_service(deadline_seconds=1)
    clients = Clients(service, 2, pause=0.01)  # the others are idle, and nobody could tell that they are dead
    with held(service.reader, 8):
        pass

    proxy.black_hole()
    with clients.running():
        seconds_until(lambda: service.pool.breaker.state == "open", 2.5)
        refused = assert_refused_at_once(service)

    seen = service.pool.snapshot()
    assert seen["idle"] > 0
    assert seen["unavailable"] >= refused


@on_each_driver
def test_who_was_under_way_waits_until_the_deadline_and_not_as_long_as_a_connect(
    make_service: Callable[..., Service], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT_SECONDS", 0.3)
    service = make_service(deadline_seconds=4)
    with held(service.reader):
        pass

    proxy.refuse()
    proxy.reset_all()
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(service.ask)
        assert eventually(lambda: service.pool.breaker.state == "open")
        proxy.heal()

    assert asking.result() == FOUND


@on_mariadb
def test_connects_that_fail_after_the_login_are_no_storm_either(
    make_service: Callable[..., Service], proxy: Proxy
) -> None:
    """The breaker takes the login for a success; what repeats the connect has to pause by itself."""
    service = make_service(deadline_seconds=1)
    with held(service.reader):
        pass

    proxy.reset_all()
    proxy.watch(lambda packet: Cut.BEFORE if b"SET SESSION" in packet.data else None)
    with proxy.counting() as counts:
        word = service.ask().word

    assert word == "down"
    # At once, after pauses that double up to 0.1 to 0.2 s, and one to spare: at most 17 in a second.
    assert 3 < counts.accepted <= 17


@pytest.mark.long_form("mariadb118")
@on_mysql_family
def test_a_server_that_takes_no_more_connections_goes_on_serving_those_it_has(
    fault_server: FaultServer, make_service: Callable[..., Service]
) -> None:
    service = make_service(size=4, timeout_seconds=5, deadline_seconds=5)
    assert service.ask() == FOUND

    with fault_server.set_globally(max_connections=10):
        with fill(fault_server):
            clients = Clients(service, 8, pause=0.01)
            with clients.running():
                assert eventually(lambda: len(clients.answers) > 50)
            assert service.pool.snapshot()["breaker"] == "closed"
            assert service.ask() == FOUND  # on the connection that is there
        assert Clients(service, 8).run(0.3).failed == []

    assert set(clients.statuses) == {"found"}


@on_mysql
def test_a_server_that_was_frozen_has_nothing_against_us(
    fault_server: FaultServer, make_service: Callable[..., Service], user: str
) -> None:
    """What connects and leaves before its login is counted, and eight of them would keep this host out for good."""
    service = make_service(deadline_seconds=1)
    clients = Clients(service, 8, pause=0.05)
    with held(service.reader, 4), held(service.writer):
        addresses = {row[0] for row in fault_server.admin("SELECT host FROM information_schema.processlist")}
    assert any(not address.startswith(("localhost", "127.")) for address in addresses), "loopback is not counted"

    fault_server.admin("TRUNCATE performance_schema.host_cache")
    with fault_server.set_globally(max_connect_errors=8), fault_server.counting("Aborted_connects") as counts:
        with clients.running():
            assert eventually(lambda: clients.answers)
            fault_server.freeze()
            time.sleep(7)  # after the first second a probe every 0.7 s: if each were given up, eight
            fault_server.thaw()
            back, thawed = seconds_until(lambda: service.ask() == FOUND, 5), time.monotonic()
            assert eventually(lambda: len(clients.asked_after(thawed)) > 50)
        blocked = fault_server.admin("SELECT sum(count_host_blocked_errors) FROM performance_schema.host_cache")

    print(f"back after {back:.2f} s, {counts} interrupted, {service.pool.snapshot()['probes']} probes")
    assert back < 1.0
    assert blocked == [(0,)]
    # Who was connecting when it froze: below what blocks a host. The probes that come then wait on.
    assert counts["Aborted_connects"] <= 6
    assert service.pool.snapshot()["probes"] <= 11


@contextmanager
def fill(fault_server: FaultServer) -> Iterator[None]:
    """Take all connections that the server still allows."""
    url, taken = fault_server.server.url, []
    try:
        with suppress(pymysql.OperationalError):  # 1040
            while True:
                taken.append(pymysql.connect(host=url.host, port=url.port, user=url.username, password=url.password))
        taken.pop().close()  # the administrator has one to spare: it does not count
        yield
    finally:
        for connection in taken:
            connection.close()
