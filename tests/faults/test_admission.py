"""Who may take a connection: first come, first served, in a bounded queue, for no longer than POOL_TIMEOUT_SECONDS."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from werkzeug.test import TestResponse

from app.extensions import reading
from steadypool.errors import PoolError
from testkit.fault_servers import Kind
from testkit.proxy import Proxy
from testkit.waiting import eventually
from tests.faults.clients import Clients
from tests.faults.support import reader_of
from tests.support.kinds import on, on_mariadb, on_mysql_family
from tests.support.pools import held, steady
from tests.support.problems import assert_problem

SLACK = 0.4
"""Seconds that a busy machine may add."""


def ask(app: Flask) -> tuple[TestResponse, float]:
    """Return an answer and how long it took."""
    began = time.monotonic()
    response = app.test_client().get("/?city=Lima", headers={"Accept": "application/json"})
    return response, time.monotonic() - began


def ask_all(app: Flask, threads: ThreadPoolExecutor, number: int) -> list[Future[tuple[TestResponse, float]]]:
    """Let so many clients ask; return when all of them wait for a connection."""
    before = waiting(reader_of(app))
    asked = [threads.submit(ask, app) for _ in range(number)]
    assert eventually(lambda: waiting(reader_of(app)) == before + number)
    return asked


def waiting(engine: Engine) -> int:
    return int(steady(engine).snapshot()["waiting"])


@on_mysql_family
def test_whoever_finds_the_queue_full_is_told_at_once(make_service: Callable[..., Flask]) -> None:
    service = make_service(POOL_SIZE=1, POOL_MAX_WAITING=3, POOL_TIMEOUT_SECONDS=2)
    ask(service)

    with ThreadPoolExecutor(3) as threads:
        with held(reader_of(service)):
            queue = ask_all(service, threads, 3)
            response, seconds = ask(service)
        waited = [asked.result() for asked in queue]

    assert_problem(response, 503, "pool-exhausted")
    assert seconds < 0.1 + SLACK
    assert [each.status_code for each, _ in waited] == [200] * 3


@on(*Kind)
def test_nobody_waits_longer_than_the_timeout(make_service: Callable[..., Flask]) -> None:
    service = make_service(POOL_SIZE=1, POOL_TIMEOUT_SECONDS=0.5)
    ask(service)

    with ThreadPoolExecutor(8) as threads, held(reader_of(service)):
        answers = [asked.result() for asked in ask_all(service, threads, 8)]

    for response, seconds in answers:
        assert_problem(response, 503, "pool-exhausted")
        assert 0.5 <= seconds < 0.5 + SLACK
    assert ask(service)[0].status_code == 200


@on_mariadb
def test_the_deadline_ends_the_wait_if_it_is_nearer(make_service: Callable[..., Flask]) -> None:
    service = make_service(POOL_SIZE=1, POOL_TIMEOUT_SECONDS=2, REQUEST_DEADLINE_SECONDS=0.5)
    ask(service)

    with held(reader_of(service)):
        response, seconds = ask(service)

    assert response.status_code == 503
    assert 0.4 < seconds < 0.5 + SLACK


@on_mysql_family
def test_twenty_threads_are_served_in_order(make_service: Callable[..., Flask]) -> None:
    engine, served = reader_of(make_service(POOL_SIZE=1, POOL_TIMEOUT_SECONDS=5)), []

    def take(number: int) -> None:
        with engine.connect() as connection:
            served.append(number)
            connection.execute(text("SELECT 1"))

    with ThreadPoolExecutor(20) as threads, held(engine):
        for number in range(20):
            threads.submit(take, number)
            assert eventually(lambda: waiting(engine) == number + 1)  # noqa: B023 -- called at once

    assert served == list(range(20))


@on_mysql_family
def test_a_failed_connect_wakes_the_next_at_once(make_service: Callable[..., Flask], proxy: Proxy) -> None:
    """SQLAlchemy's QueuePool lets the second sleep for its whole timeout."""
    engine = reader_of(make_service(POOL_SIZE=1, POOL_TIMEOUT_SECONDS=5))
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


@pytest.fixture
def slow_service(make_service: Callable[..., Flask]) -> Flask:
    """The application with a pool of two, and a view whose query takes the server a tenth of a second."""
    service = make_service(POOL_SIZE=2)
    sleep = "pg_sleep" if reader_of(service).dialect.name == "postgresql" else "sleep"
    statement = text(f"SELECT {sleep}(0.1)").execution_options(leaves_no_trace=True)

    @reading
    def doze(connection: Connection) -> None:
        connection.execute(statement)

    def slow() -> str:
        doze()
        return "slept"

    service.add_url_rule("/slow", view_func=slow)
    return service


@on(*Kind)
def test_fifty_clients_of_a_slow_query_on_two_connections(slow_service: Flask) -> None:
    ask(slow_service)
    seconds = 3.0

    began = time.monotonic()
    clients = Clients(slow_service, 50, path="/slow").run(seconds)

    assert clients.stuck == 0
    assert set(clients.statuses) == {200, 503}
    assert clients.slowest < 1 + 0.1 + SLACK  # POOL_TIMEOUT_SECONDS, and the query
    in_time = [
        answer for answer in clients.answers if answer.status == 200 and (answer.ended or inf) <= began + seconds
    ]
    goodput = len(in_time) / (2 * seconds / 0.1)
    print(f"goodput {goodput:.0%} of capacity, slowest answer {clients.slowest:.2f} s")
    assert goodput >= 0.7, "the figure is 90 % and more where nothing else uses the machine"
