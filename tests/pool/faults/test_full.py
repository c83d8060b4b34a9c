"""A server that has room for fewer connections than the pool would open: those that there are go from hand to hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from steadypool.core import slots
from testkit.fault_servers import FaultServer
from testkit.waiting import eventually
from tests.pool.service import Clients, Service
from tests.support.kinds import on_each_driver, on_mariadb
from tests.support.leftovers import assert_nothing_is_lent
from tests.support.pools import held

ROOM, SIZE, THREADS = 3, 8, 16
PATIENT: dict[str, float] = {"size": SIZE, "timeout_seconds": 5, "deadline_seconds": 5}
"""So that nobody comes too late who only has to wait for a slow machine."""
ENOUGH = 200
"""Answers, some for each who asks."""


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


def assert_all_served(service: Service, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Have many ask, before and after something happens; all are answered, and none too late."""
    clients = Clients(service, THREADS)
    with clients.running():
        assert eventually(lambda: len(clients.answers) > THREADS)
        meanwhile()
        before = len(clients.answers)
        assert eventually(lambda: len(clients.answers) > before + ENOUGH)
    assert set(clients.statuses) == {"found"}
    assert not clients.stuck
    assert not clients.wrong
    assert_nothing_is_lent(service.reader)


def test_whoever_finds_no_connection_waits_for_a_return(
    make_service: Callable[..., Service],
    limit: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slots, "GROW_AFTER_SECONDS", (0.05, 0.5))
    service = make_service(**PATIENT)
    pool = service.pool
    limit(ROOM)

    assert_all_served(service)

    assert pool.checkedin() == ROOM
    assert pool.breaker.state == "closed"
    assert caplog.text.count("the server has no room for more") == 1

    def grow() -> None:
        limit(0)  # as many as you like
        assert eventually(lambda: pool.checkedin() + pool.checkedout() > ROOM and pool.slots.limit == SIZE)

    assert_all_served(service, meanwhile=grow)


@on_mariadb
def test_a_limit_that_is_lowered_under_way_leaves_one_or_two_for_all(
    make_service: Callable[..., Service], limit: Callable[[int], None]
) -> None:
    service = make_service(**PATIENT)

    def lower() -> None:
        limit(1)
        service.pool.slots.condemn()  # so that all have to be made anew

    assert_all_served(service, meanwhile=lower)

    assert 1 <= service.pool.checkedin() <= 2  # a second one may have been in the making, and stays


@on_each_driver
def test_a_server_full_of_others_alone_is_away(
    make_service: Callable[..., Service], limit: Callable[[int], None]
) -> None:
    ours = make_service(size=SIZE, deadline_seconds=1)
    others = make_service(size=SIZE)
    limit(1)

    with held(others.reader):
        clients = Clients(ours, 4).run(1)
    others.dispose()

    assert set(clients.statuses) == {"down"}
    assert clients.slowest < 1.5
    assert eventually(lambda: ours.pool.breaker.state == "closed")
    assert_all_served(ours)
