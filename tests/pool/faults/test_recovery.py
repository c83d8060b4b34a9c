"""Connections are killed, reset and timed out, the server is restarted: not one read fails while it is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

import pytest

from testkit.drivers import MYSQLDB
from testkit.fault_servers import FaultServer
from testkit.packets import Cut, Direction
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.service import FOUND, REFUSED, Clients, Service
from tests.support.kinds import everywhere, on_each_driver, on_mariadb
from tests.support.leftovers import assert_nothing_is_lent

pytestmark = pytest.mark.long_form("mariadb118")

EVERY_SECONDS = 0.4
PAUSE_SECONDS = 0.02
"""Without it the clients alone would keep a processor busy, and connecting would take what it may take at most."""
FAULTS, ENOUGH = 4, 100
"""How often at least, and how many questions: fewer would show nothing."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine to connect may take half a second. When others are refused is test_breaker's matter."""
    monkeypatch.setattr("steadypool.core.breaker.OPEN_AFTER_SECONDS", 2.0)


@contextmanager
def again_and_again(fault: Callable[[], int], every: float = EVERY_SECONDS) -> Iterator[list[int]]:
    """Do something at this pace during the block; what it returned is in the list."""
    over, done = threading.Event(), list[int]()

    def repeat() -> None:
        while not over.wait(every):
            done.append(fault())

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


def ask_meanwhile(clients: Clients, done: list[int]) -> None:
    """Have clients ask until enough has happened and enough was asked."""
    with clients.running():
        assert eventually(lambda: len(done) >= FAULTS and len(clients.answers) > ENOUGH, 30)
    assert sum(done) > 8


def assert_all_well(clients: Clients) -> None:
    # Who was so slow, on a busy machine, that two faults came in their way has been sent twice, and not a third time.
    assert [answer for answer in clients.failed if answer.seconds < EVERY_SECONDS] == []
    assert len(clients.failed) <= len(clients.answers) / 10
    assert clients.wrong == []
    assert clients.stuck == 0


@everywhere
def test_kill_of_all_connections(fault_server: FaultServer, service: Service, user: str) -> None:
    clients = Clients(service, 16, pause=PAUSE_SECONDS)

    with again_and_again(lambda: fault_server.kill_connections(user)) as killed:
        ask_meanwhile(clients, killed)

    assert_all_well(clients)
    assert_nothing_is_lent(service.reader)


@on_each_driver
def test_reset_of_all_connections(fault_server: FaultServer, service: Service, proxy: Proxy) -> None:
    clients = Clients(service, 16, pause=PAUSE_SECONDS)

    with again_and_again(proxy.reset_all) as cut:
        ask_meanwhile(clients, cut)

    assert_all_well(clients)
    assert_nothing_is_lent(service.reader)


@on_mariadb
@pytest.mark.parametrize("driver", [MYSQLDB])
def test_kills_and_resets_with_mysqlclient(
    fault_server: FaultServer, make_service: Callable[..., Service], user: str, proxy: Proxy, driver: str
) -> None:
    clients = Clients(make_service(f"{fault_server.backend}+{driver}"), 16, pause=PAUSE_SECONDS)
    faults: Iterator[Callable[[], int]] = iter([proxy.reset_all, lambda: fault_server.kill_connections(user)] * 100)

    with again_and_again(lambda: next(faults)()) as ended:
        ask_meanwhile(clients, ended)

    assert_all_well(clients)


@contextmanager
def closing_what_idles(server: FaultServer, user: str) -> Iterator[None]:
    """Have the server close connections that idle for a second, which is the least that MySQL takes."""
    if server.is_mysql:
        with server.set_globally(wait_timeout=1):
            yield
        return
    server.admin(f"ALTER ROLE {user} SET idle_session_timeout = '300ms'")
    yield
    server.admin(f"ALTER ROLE {user} RESET idle_session_timeout")


@everywhere
def test_the_server_closes_what_idles(
    fault_server: FaultServer, make_service: Callable[..., Service], user: str
) -> None:
    with closing_what_idles(fault_server, user):
        clients = Clients(make_service(), 16)
        for _ in range(2):
            clients.run(0.2)
            assert eventually(lambda: not fault_server.sessions(user))
        clients.run(0.2)

    assert len(clients.answers) >= 3 * 16
    assert_all_well(clients)


@on_each_driver
@pytest.mark.parametrize(("strategy", "opened"), [("queue", 2), ("request", 3)])
def test_a_kill_between_the_test_and_the_query(
    make_service: Callable[..., Service], proxy: Proxy, strategy: str, opened: int
) -> None:
    """The proxy ends the connection when it sees the query: the test before it cannot have seen anything."""
    service = make_service(strategy=strategy)
    assert service.ask() == FOUND

    proxy.cut(Cut.BEFORE, holding=b"FROM book")
    answer = service.ask()

    assert answer == FOUND
    seen = service.pool.snapshot()
    assert (seen["retried"], seen["opened"]) == (1, opened)


@on_each_driver
def test_a_read_is_not_sent_a_third_time(service: Service, proxy: Proxy) -> None:
    assert service.ask() == FOUND

    proxy.watch(lambda packet: Cut.BEFORE if b"FROM book" in packet.data else None)
    answer = service.ask()

    assert answer.word == "down"
    assert service.pool.snapshot()["retried"] == 1


@everywhere
def test_a_graceful_restart(fault_server: FaultServer, service: Service, user: str) -> None:
    """Who asks before it and who asks after it is answered; who asks while it is down may be refused."""
    clients = Clients(service, 16, pause=PAUSE_SECONDS)

    with clients.running():
        assert eventually(lambda: len(clients.answers) > 50)
        began = time.monotonic()
        fault_server.stop()
        back = fault_server.start()
        assert eventually(lambda: len(clients.asked_after(back + 1)) > 50)

    before = [answer for answer in clients.answers if (answer.ended or inf) < began]
    assert {answer.status for answer in before + clients.asked_after(back + 1)} == {"found"}
    assert {answer.status for answer in clients.answers} <= {"found", *REFUSED}
    assert clients.wrong == []
    assert_nothing_is_lent(service.reader)


@on_each_driver
def test_one_timeout_costs_one_connection(make_service: Callable[..., Service], proxy: Proxy) -> None:
    """One silent connection is no reason to give up the others."""
    service = make_service(deadline_seconds=0.5, size=4)
    clients = Clients(service, 4)
    clients.run(0.3)
    opened = service.pool.snapshot()["opened"]

    with proxy.counting() as counts:
        proxy.freeze(0.7)
        assert service.ask().word == "too slow"
        time.sleep(0.4)
        assert service.ask().word == "found"

    assert service.pool.snapshot()["opened"] - opened <= 1
    assert counts.accepted <= 3  # the new one and the probe, with one to spare for a probe that came too early


@pytest.mark.parametrize(("direction", "by"), [("to server", "lookup"), ("to client", "read")])
def test_a_connect_that_is_cut_anywhere_is_repeated(
    make_service: Callable[..., Service], proxy: Proxy, direction: Direction, by: str
) -> None:
    """The first one, with which SQLAlchemy gets to know the server; cut at each packet in turn, until none is left."""
    for number in range(1, 40):
        service = make_service()
        cut = proxy.cut(Cut.BEFORE, direction, number=number)

        answer = service.ask(by=by)

        assert answer == FOUND, f"cut at packet {number}"
        service.dispose()
        if not cut.happened:
            break
    assert number > 4
