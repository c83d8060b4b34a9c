"""What becomes of a statement that takes too long: the server stops it, and it costs as little as it can."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import exc, literal, select

from steadypool import read
from steadypool.drivers.postgresql import TIMES
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from testkit.proxy import Proxy
from tests.pool.faults.test_deadline import (
    DEADLINE_SECONDS,
    ORPHANS_GONE_WITHIN_SECONDS,
    SLACK_SECONDS,
    warm_up,
)
from tests.pool.service import FOUND, Service
from tests.support.faulty import count_slowly
from tests.support.kinds import on_mysql_family
from tests.support.leftovers import assert_no_orphans, assert_nothing_is_lent, seconds_until
from tests.support.pools import steady

STATEMENT_SECONDS = DEADLINE_SECONDS * 2 / 3
"""What the server gives a statement."""
PROCESS_LIST_SECONDS = 2.0
"""The statement has been stopped when we hear of it; MariaDB may list it for a moment more."""


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    """A service with a full pool."""
    service = make_service(deadline_seconds=DEADLINE_SECONDS)
    warm_up(service)
    return service


def compute_after(pause: float, service: Service) -> str:
    """Compute for a minute or so after a pause; return what became of it."""

    def compute() -> None:
        time.sleep(pause)
        read(service.reader, count_slowly)

    return service.do(compute)


def test_a_statement_that_the_server_stops_costs_no_reconnect(
    service: Service, fault_server: FaultServer, user: str, proxy: Proxy
) -> None:
    with proxy.counting() as counts:
        word = compute_after(0.0, service)
        assert_no_orphans(fault_server, user, PROCESS_LIST_SECONDS)
        assert service.ask() == FOUND

    assert word == "too slow"
    assert counts.accepted == 0
    assert service.pool.snapshot()["closed"] == {}
    assert_nothing_is_lent(service.reader)


def test_a_statement_that_we_cut_costs_one_connection_and_a_probe(
    service: Service, fault_server: FaultServer, user: str, proxy: Proxy
) -> None:
    pool = service.pool
    pause = DEADLINE_SECONDS - STATEMENT_SECONDS / 2  # so much that the server would stop it after us
    began = time.monotonic()

    with proxy.counting() as counts:
        word = compute_after(pause, service)
        took = time.monotonic() - began
        assert fault_server.running(user), "the server was to be the slower one"
        assert_no_orphans(fault_server, user, ORPHANS_GONE_WITHIN_SECONDS)
        seconds_until(lambda: pool.breaker.state == "closed", 1)
        warm_up(service)

    assert word == "too slow"
    assert took <= DEADLINE_SECONDS + SLACK_SECONDS
    assert pool.snapshot()["closed"] == {"overdue": 1}
    assert 1 <= pool.breaker.probes <= 2
    assert counts.accepted <= 1 + pool.breaker.probes + (1 if fault_server.is_mysql else TIMES)  # which end it there
    assert_nothing_is_lent(service.reader)


@pytest.mark.long_form("mariadb118")
@on_mysql_family
def test_what_is_too_large_for_the_server_costs_its_connection_and_is_not_sent_again(
    fault_server: FaultServer, make_service: Callable[..., Service], seeded: Database
) -> None:
    """The server says no and hangs up; the next must not meet that connection, nor the server the same again."""
    with fault_server.set_globally(max_allowed_packet=1 << 20):
        engine = make_service(url=seeded.url).reader
        for _ in range(10):  # its hanging up may overtake its no
            before = steady(engine).snapshot()["retried"]
            with pytest.raises(exc.OperationalError) as refused:
                read(engine, lambda connection: connection.scalar(select(literal("x" * (1 << 20)))))
            told = steady(engine).snapshot()
            if "max_allowed_packet" in str(refused.value) and told["retried"] == before:
                break

    assert "max_allowed_packet" in str(refused.value)
    assert (told["idle"], set(told["closed"]) <= {"error", "replaced"}, told["retried"]) == (0, True, before)
