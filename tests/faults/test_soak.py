"""Restarts and kills without end: afterwards everything is as it was before. The long form:

SOAK_RESTARTS=50 SOAK_KILLS=1000 ./run test tests/faults/test_soak.py
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest
from flask import Flask

from testkit.fault_servers import FaultServer
from testkit.waiting import eventually
from tests.conftest import dispose
from tests.faults.clients import Clients
from tests.faults.support import pool_of, reader_of
from tests.support.kinds import on_mariadb
from tests.support.leftovers import assert_nothing_is_lent, leaving_nothing
from tests.support.pools import held

RESTARTS = int(os.environ.get("SOAK_RESTARTS", "2"))
KILLS = int(os.environ.get("SOAK_KILLS", "40"))

pytestmark = pytest.mark.timeout(60 + RESTARTS * 15 + KILLS)


def borrow_all(app: Flask) -> None:
    """Have every connection of the pool lent at once: nothing less is full capacity."""
    size = pool_of(app).size()
    with held(reader_of(app), size):
        assert pool_of(app).snapshot()["in_use"] == size


def connections_of(fault_server: FaultServer, user: str) -> int:
    return len(fault_server.sessions(user))


@on_mariadb
def test_kills_and_restarts_leave_nothing(
    fault_server: FaultServer, make_service: Callable[..., Flask], user: str
) -> None:
    connections_of(fault_server, user)  # the administrator's own connection is open from here on
    with leaving_nothing():
        service = make_service(REQUEST_DEADLINE_SECONDS=10)  # nobody is to come too late for a slow machine alone
        borrow_all(service)
        threads = threading.active_count()
        clients = Clients(service, 16, pause=0.01)
        killed = 0
        with clients.running():
            for _ in range(RESTARTS):
                back = fault_server.restart()
                assert eventually(lambda: clients.asked_after(back), 10)  # noqa: B023 -- called at once
            while killed < KILLS:
                killed += fault_server.kill_connections(user)
                time.sleep(0.05)
            settled = time.monotonic()
            assert eventually(lambda: len(clients.asked_after(settled)) > 50)

        assert [answer for answer in clients.asked_after(settled) if answer.status != 200] == []
        assert {answer.status for answer in clients.answers} <= {200, 503}
        assert clients.wrong == []
        assert clients.stuck == 0
        assert_nothing_is_lent(reader_of(service))
        borrow_all(service)
        size = pool_of(service).size()
        assert connections_of(fault_server, user) == pool_of(service).snapshot()["idle"] == size
        assert threading.active_count() <= threads
        dispose(service)
    assert connections_of(fault_server, user) == 0
