"""Whatever the database or the network does, each question is answered within its deadline, and nothing stays stuck."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from steadypool import read
from testkit.databases import Database
from testkit.drivers import MYSQLDB
from testkit.fault_servers import FaultServer
from testkit.proxy import Proxy
from tests.pool.service import FOUND, REFUSED, Clients, Service
from tests.support.faulty import (
    Bench,
    Fault,
    accepted_but_silent,
    black_hole,
    count_slowly,
    dripping_answers,
    dripping_handshakes,
    each_fault,
    frozen,
    locked_table,
    lost_syns,
)
from tests.support.kinds import on_each_driver, on_mariadb, on_postgresql
from tests.support.leftovers import assert_no_orphans, assert_nothing_is_lent, leaving_nothing, seconds_until
from tests.support.pools import held

DEADLINE_SECONDS = 1.5
"""Half the default, to be quick; the server's limit for a statement is then one second."""
SLACK_SECONDS = 0.5
THREADS = 16
BACK_WITHIN_SECONDS = 1.0
ORPHANS_GONE_WITHIN_SECONDS = 2.0
FAULT_SECONDS = float(os.environ.get("FAULT_SECONDS", "0"))
"""For how long clients ask again once they are answered; the long form is FAULT_SECONDS=10."""


@contextmanager
def slow_query(bench: Bench) -> Iterator[None]:
    service: Service = bench.service
    original = service.look_up
    service.look_up = lambda *_: read(service.reader, count_slowly)
    yield
    service.look_up = original


@pytest.fixture
def endure(
    fault_server: FaultServer, seeded: Database, user: str, proxy: Proxy, make_service: Callable[..., Service]
) -> Callable[..., None]:
    """Return what has clients ask during a fault, and sees to it that all are answered and nothing is left."""

    def run(fault: Fault, **policy: object) -> None:
        fault_server.repair()  # whatever else keeps files open does so before they are counted
        fault_server.running(user)
        with leaving_nothing():
            service = make_service(deadline_seconds=DEADLINE_SECONDS, **policy)
            warm_up(service)

            with fault(Bench(fault_server, seeded, proxy, service, "book")):
                clients = Clients(service, THREADS, pause=0.02).run(FAULT_SECONDS)
                counted = service.pool.snapshot()
            back = seconds_until(lambda: service.ask() == FOUND, 5)

            assert clients.stuck == 0
            assert set(clients.statuses) <= {*REFUSED, "too slow"}
            assert_each_is_counted(clients, counted)
            assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
            assert back <= BACK_WITHIN_SECONDS
            assert_no_orphans(fault_server, user, ORPHANS_GONE_WITHIN_SECONDS)
            assert_nothing_is_lent(service.reader)
            service.dispose()

    return run


def assert_each_is_counted(clients: Clients, counted: dict[str, Any]) -> None:
    """What the clients were told is what the pool has counted."""
    assert clients.failed
    assert clients.statuses == Counter(
        {
            "exhausted": counted["rejected"] + counted["timeouts"],
            "down": counted["unavailable"],
            "too slow": counted["statement_timeouts"],
            "busy": counted["conflicts"],
        }
    )


def warm_up(service: Service) -> None:
    """Fill the reader's pool."""
    assert service.ask() == FOUND
    with held(service.reader, service.pool.size()):
        pass


@each_fault(frozen, locked_table, slow_query)
def test_each_question_is_answered_in_time(endure: Callable[..., None], fault: Fault) -> None:
    endure(fault)


@on_each_driver
@each_fault(black_hole, accepted_but_silent, dripping_answers, dripping_handshakes, lost_syns)
def test_whatever_the_network_does_each_question_is_answered_in_time(endure: Callable[..., None], fault: Fault) -> None:
    endure(fault)


@on_postgresql
def test_a_connection_for_each_request_has_the_deadline_too(endure: Callable[..., None]) -> None:
    endure(frozen, strategy="request")


@on_mariadb
def test_a_connection_for_each_request_has_slow_queries_stopped_too(endure: Callable[..., None]) -> None:
    endure(slow_query, strategy="request")


@on_mariadb
@each_fault(frozen, black_hole, accepted_but_silent)
@pytest.mark.parametrize("driver", [MYSQLDB])
def test_mysqlclient_has_the_deadline_too(endure: Callable[..., None], fault: Fault, driver: str) -> None:
    endure(fault, driver=f"mysql+{driver}")
