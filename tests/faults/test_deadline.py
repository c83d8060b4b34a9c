"""Whatever the database or the network does, every request is answered within its deadline, and told why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from app.extensions import reading
from testkit.databases import Database
from testkit.fault_servers import FaultServer, Kind
from testkit.proxy import Proxy
from tests.faults.clients import Clients
from tests.faults.shelf import ONE
from tests.faults.support import pool_of, reader_of
from tests.support.faulty import Bench, Fault, accepted_but_silent, count_slowly, frozen, locked_table
from tests.support.kinds import on_mariadb
from tests.support.leftovers import seconds_until
from tests.support.pools import held
from tests.support.problems import assert_problem

DEADLINE_SECONDS = 1.5
"""Half the default, to be quick; the server's limit for a statement is then one second."""
SLACK_SECONDS = 0.5
THREADS = 16
BACK_WITHIN_SECONDS = 1.0


@contextmanager
def slow_query(bench: Bench) -> Iterator[None]:
    views = bench.service.view_functions
    original = views["shelf.look_up"]
    views["shelf.look_up"] = lambda: str(reading(count_slowly)())
    yield
    views["shelf.look_up"] = original


@pytest.mark.parametrize(
    ("fault_server", "fault"),
    [
        (Kind.POSTGRESQL, frozen),
        (Kind.MARIADB, accepted_but_silent),
        (Kind.MYSQL, locked_table),
        (Kind.MARIADB, slow_query),
    ],
    indirect=["fault_server"],
    ids=lambda value: value.value if isinstance(value, Kind) else value.__name__,
    scope="session",
)
def test_every_request_is_answered_in_time(
    fault_server: FaultServer, seeded: Database, proxy: Proxy, make_service: Callable[..., Flask], fault: Fault
) -> None:
    app = make_service(REQUEST_DEADLINE_SECONDS=DEADLINE_SECONDS)
    assert app.test_client().get(ONE).status_code == 200
    with held(reader_of(app), pool_of(app).size()):
        pass

    with fault(Bench(fault_server, seeded, proxy, app, "book")):
        clients = Clients(app, THREADS).run(0)
        counted = pool_of(app).snapshot()
    back = seconds_until(lambda: app.test_client().get(ONE).status_code == 200, 5)

    assert clients.stuck == 0
    assert set(clients.statuses) <= {503, 504}
    assert Counter(answer.text for answer in clients.failed) == Counter(
        {
            "All database connections are in use. Try again soon.\n": counted["rejected"] + counted["timeouts"],
            "The database is away. Try again soon.\n": counted["unavailable"],
            "The database took too long to answer.\n": counted["statement_timeouts"],
            "Others are in the way. Try again soon.\n": counted["conflicts"],
        }
    )
    assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
    assert back <= BACK_WITHIN_SECONDS


@on_mariadb
def test_a_statement_that_takes_too_long_is_a_problem_of_its_own(make_service: Callable[..., Flask]) -> None:
    app = make_service(REQUEST_DEADLINE_SECONDS=DEADLINE_SECONDS)
    app.add_url_rule("/slow", view_func=lambda: str(reading(count_slowly)()))

    response = app.test_client().get("/slow", headers={"Accept": "application/json"})

    assert_problem(response, 504, "deadline-exceeded")
    assert app.test_client().get(ONE).status_code == 200
