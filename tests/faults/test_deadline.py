"""Whatever the database or the network does, every request is answered within its deadline, and told why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import Connection, func, select
from sqlalchemy.orm import aliased

from app.extensions import reading
from testkit.databases import Database
from testkit.fault_servers import FaultServer
from testkit.proxy import Proxy
from tests.conftest import dispose
from tests.faults.clients import Clients
from tests.faults.shelf import ONE
from tests.faults.support import pool_of, reader_of
from tests.pool.tables import Book
from tests.support.faulty import Bench, Fault, accepted_but_silent, each_fault, frozen, locked_table
from tests.support.leftovers import assert_no_orphans, assert_nothing_is_lent, leaving_nothing, seconds_until
from tests.support.pools import held
from tests.support.problems import assert_problem

DEADLINE_SECONDS = 1.5
"""Half the default, to be quick; the server's limit for a statement is then one second."""
SLACK_SECONDS = 0.5
THREADS = 16
BACK_WITHIN_SECONDS = 1.0
ORPHANS_GONE_WITHIN_SECONDS = 2.0


@reading
def count_slowly(connection: Connection) -> int | None:
    """Return what takes a minute or so to count: 600 x 600 x 600 combinations, none of them found by an index."""
    one, two, three = aliased(Book), aliased(Book), aliased(Book)
    product = one.book_id * two.book_id * three.book_id
    joined = (
        select(func.count())
        .select_from(one)
        .join(two, two.book_id != one.book_id)
        .join(three, three.book_id != two.book_id)
    )
    return connection.scalar(joined.where(product % 1009 == 7))


@contextmanager
def slow_query(bench: Bench) -> Iterator[None]:
    views = bench.service.view_functions
    original = views["shelf.look_up"]
    views["shelf.look_up"] = lambda: str(count_slowly())
    yield
    views["shelf.look_up"] = original


@each_fault(frozen, accepted_but_silent, locked_table, slow_query)
def test_every_request_is_answered_in_time(
    fault_server: FaultServer,
    seeded: Database,
    user: str,
    proxy: Proxy,
    make_service: Callable[..., Flask],
    fault: Fault,
) -> None:
    fault_server.repair()  # whatever else keeps files open does so before they are counted
    fault_server.running(user)
    with leaving_nothing():
        app = make_service(REQUEST_DEADLINE_SECONDS=DEADLINE_SECONDS)
        warm_up(app)

        with fault(Bench(fault_server, seeded, proxy, app, "book")):
            clients = Clients(app, THREADS).run(0)
            counted = pool_of(app).snapshot()
        back = seconds_until(lambda: app.test_client().get(ONE).status_code == 200, 5)

        assert clients.stuck == 0
        assert set(clients.statuses) <= {503, 504}
        assert_each_is_counted(clients, counted)
        assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
        assert back <= BACK_WITHIN_SECONDS
        assert_no_orphans(fault_server, user, ORPHANS_GONE_WITHIN_SECONDS)
        assert_nothing_is_lent(reader_of(app))
        dispose(app)


def assert_each_is_counted(clients: Clients, counted: dict[str, Any]) -> None:
    """What the clients were told is what the pool has counted."""
    told = Counter(answer.text for answer in clients.failed)
    assert told.total() > 0
    assert told == Counter(
        {
            "All database connections are in use. Try again soon.\n": counted["rejected"] + counted["timeouts"],
            "The database is away. Try again soon.\n": counted["unavailable"],
            "The database took too long to answer.\n": counted["statement_timeouts"],
            "Others are in the way. Try again soon.\n": counted["conflicts"],
        }
    )


def warm_up(app: Flask) -> None:
    """Fill the reader's pool."""
    assert app.test_client().get(ONE).status_code == 200
    with held(reader_of(app), pool_of(app).size()):
        pass


def test_a_statement_that_takes_too_long_is_a_problem_of_its_own(make_service: Callable[..., Flask]) -> None:
    app = make_service(REQUEST_DEADLINE_SECONDS=DEADLINE_SECONDS)
    app.add_url_rule("/slow", view_func=lambda: str(count_slowly()))

    response = app.test_client().get("/slow", headers={"Accept": "application/json"})

    assert_problem(response, 504, "deadline-exceeded")
    assert app.test_client().get(ONE).status_code == 200
