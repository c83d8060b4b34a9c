"""Who may take a connection: first come, first served, in a bounded queue, for no longer than `timeout_seconds`."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from steadypool import read
from steadypool.errors import PoolError
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.pool.service import FOUND, Answer, Clients, Service
from tests.support.kinds import on_mariadb
from tests.support.pools import held, steady

SLACK = 0.4
"""Seconds that a busy machine may add."""


def ask(service: Service) -> tuple[Answer, float]:
    """Return an answer and how long it took."""
    began = time.monotonic()
    answer = service.ask(by="read")
    return answer, time.monotonic() - began


def waiting(engine: Engine) -> int:
    return int(steady(engine).snapshot()["pending"])


@on_mariadb
def test_whoever_finds_the_queue_full_is_told_at_once(make_service: Callable[..., Service]) -> None:
    service = make_service(size=1, max_pending=3, timeout_seconds=2)
    ask(service)

    with ThreadPoolExecutor(3) as threads:
        with held(service.reader):
            queue = [threads.submit(ask, service) for _ in range(3)]
            assert eventually(lambda: waiting(service.reader) == 3)
            answer, seconds = ask(service)
        waited = [asked.result() for asked in queue]

    assert answer.word == "exhausted"
    assert seconds < 0.1 + SLACK
    assert [each for each, _ in waited] == [FOUND] * 3


@on_mariadb
@pytest.mark.parametrize("limits", [{"timeout_seconds": 0.5}, {"timeout_seconds": 2, "deadline_seconds": 0.5}], ids=str)
def test_nobody_waits_longer_than_the_timeout_or_the_deadline(
    make_service: Callable[..., Service], limits: dict[str, Any]
) -> None:
    service = make_service(size=1, **limits)
    ask(service)

    with ThreadPoolExecutor(8) as threads, held(service.reader):
        answers = list(threads.map(lambda _: ask(service), range(8)))

    for answer, seconds in answers:
        assert answer.word == "exhausted"
        assert 0.5 <= seconds < 0.5 + SLACK
    assert ask(service)[0] == FOUND


@on_mariadb
def test_twenty_threads_are_served_in_order(make_service: Callable[..., Service]) -> None:
    engine, served = make_service(size=1, timeout_seconds=30).reader, []

    def take(number: int) -> None:
        with engine.connect() as connection:
            served.append(number)
            connection.execute(text("SELECT 1"))

    with ThreadPoolExecutor(20) as threads, held(engine):
        for number in range(20):
            threads.submit(take, number)
            assert eventually(lambda: waiting(engine) == number + 1)  # noqa: B023 -- called at once

    assert served == list(range(20))


@on_mariadb
def test_a_failed_connect_wakes_the_next_at_once(make_service: Callable[..., Service], proxy: Proxy) -> None:
    """SQLAlchemy's QueuePool lets the second sleep for its whole timeout."""
    engine = make_service(size=1, timeout_seconds=5).reader
    with held(engine):
        pass
    proxy.close_all()
    assert eventually(lambda: proxy.counts().open == 0)

    proxy.be_silent()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(outcome, engine)
        assert eventually(lambda: proxy.counts().accepted == 2)
        second = threads.submit(outcome, engine)
        assert eventually(lambda: waiting(engine) == 1)
        proxy.heal()
        failed = time.monotonic()
        proxy.reset_all()

        assert first.result()[0] == "failed"
        result, when = second.result()

    assert result == "served"
    assert when - failed < 0.5 + SLACK


def outcome(engine: Engine) -> tuple[str, float]:
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except (DBAPIError, PoolError):
        return "failed", time.monotonic()
    return "served", time.monotonic()


# ---- overload ----


@on_mariadb
def test_fifty_clients_of_a_slow_query_on_two_connections(make_service: Callable[..., Service]) -> None:
    """The query takes the server a tenth of a second; as many are answered as where nobody has to wait."""
    service, seconds = make_service(size=2), 1.5
    statement = text("SELECT sleep(0.1)").execution_options(leaves_no_trace=True)
    ask(service)

    def run(number: int) -> tuple[Clients, int]:
        """Return the clients, and how many answers came in time."""
        began = time.monotonic()
        clients = Clients(service, number, work=lambda: read(service.reader, lambda c: c.execute(statement)))
        done = [answer for answer in clients.run(seconds).answers if answer.status == "done"]
        return clients, sum((answer.ended or inf) <= began + seconds for answer in done)

    _, capacity = run(2)
    clients, goodput = run(50)

    assert clients.stuck == 0
    assert set(clients.statuses) == {"done", "exhausted"}
    assert clients.slowest < 1 + 0.1 + SLACK  # `timeout_seconds`, and the query
    assert goodput >= 0.7 * capacity > 0
