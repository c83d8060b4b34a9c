"""Whatever the database or the network does, every request is answered within its deadline, and nothing stays stuck."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, func, select, text
from sqlalchemy.orm import aliased

from app.cities.models import City
from app.extensions import db, reading
from testkit.databases import Database
from testkit.drivers import MYSQLDB
from testkit.fault_servers import FaultServer
from testkit.proxy import Proxy
from tests.conftest import dispose
from tests.faults.clients import Clients
from tests.faults.support import pool_of, reader_of
from tests.support.kinds import on_mariadb, on_postgresql
from tests.support.leftovers import assert_no_orphans, assert_nothing_is_lent, leaving_nothing, seconds_until

DEADLINE_SECONDS = 1.5
"""Half the default, to be quick; the server's limit for a statement is then one second."""
SLACK_SECONDS = 0.5
THREADS = 16
BACK_WITHIN_SECONDS = 1.0
ORPHANS_GONE_WITHIN_SECONDS = 2.0
FAULT_SECONDS = float(os.environ.get("FAULT_SECONDS", "0"))
"""For how long clients ask again once they are answered; the long form is FAULT_SECONDS=10."""
DRIP_SECONDS = 0.1
"""A handshake then takes eight seconds at least, and each byte comes in time for a timeout that counts for each."""


@dataclass(frozen=True)
class Bench:
    """All that a fault may need."""

    server: FaultServer
    database: Database
    proxy: Proxy
    app: Flask


Fault = Callable[[Bench], AbstractContextManager[None]]


@contextmanager
def frozen(bench: Bench) -> Iterator[None]:
    bench.server.freeze()
    yield
    bench.server.thaw()


@contextmanager
def black_hole(bench: Bench) -> Iterator[None]:
    bench.proxy.black_hole()
    yield
    bench.proxy.heal()


@contextmanager
def accepted_but_silent(bench: Bench) -> Iterator[None]:
    bench.proxy.be_silent()
    bench.proxy.reset_all()
    yield
    bench.proxy.heal()


@contextmanager
def dripping_answers(bench: Bench) -> Iterator[None]:
    bench.proxy.drip(DRIP_SECONDS)
    yield
    bench.proxy.heal()


@contextmanager
def dripping_handshakes(bench: Bench) -> Iterator[None]:
    bench.proxy.reset_all()
    bench.proxy.drip(DRIP_SECONDS)
    yield
    bench.proxy.heal()


@contextmanager
def lost_syns(bench: Bench) -> Iterator[None]:
    bench.proxy.lose_syns()
    bench.proxy.reset_all()
    yield
    bench.proxy.heal()


@contextmanager
def locked_table(bench: Bench) -> Iterator[None]:
    lock = "LOCK TABLES city WRITE" if bench.server.is_mysql else "LOCK TABLE city IN ACCESS EXCLUSIVE MODE"
    with bench.database.connect() as holder:
        holder.execute(text(lock))
        yield


@contextmanager
def slow_query(bench: Bench) -> Iterator[None]:
    views = bench.app.view_functions
    original = views["pages.look_up"]
    views["pages.look_up"] = lambda: str(count_slowly())
    yield
    views["pages.look_up"] = original


FAULTS: list[Fault] = [
    frozen,
    black_hole,
    accepted_but_silent,
    dripping_answers,
    dripping_handshakes,
    lost_syns,
    locked_table,
    slow_query,
]


@reading
def count_slowly(connection: Connection) -> int | None:
    """Return what takes a minute or so to count: 600 x 600 x 600 combinations, none of them found by an index."""
    one, two, three = aliased(City), aliased(City), aliased(City)
    product = one.city_id * two.city_id * three.city_id
    joined = (
        select(func.count())
        .select_from(one)
        .join(two, two.city_id != one.city_id)
        .join(three, three.city_id != two.city_id)
    )
    return connection.scalar(joined.where(product % 1009 == 7))


def each_fault(*faults: Fault) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", faults, ids=lambda fault: fault.__name__)


@pytest.fixture
def endure(
    fault_server: FaultServer, seeded: Database, user: str, proxy: Proxy, make_service: Callable[..., Flask]
) -> Callable[..., None]:
    """Return what has clients ask during a fault, and sees to it that all are answered and nothing is left."""

    def run(fault: Fault, **settings: object) -> None:
        fault_server.repair()  # whatever else keeps files open does so before they are counted
        fault_server.running(user)
        with leaving_nothing():
            app = make_service(REQUEST_DEADLINE_SECONDS=DEADLINE_SECONDS, **settings)
            warm_up(app)

            with fault(Bench(fault_server, seeded, proxy, app)):
                clients = Clients(app, THREADS, pause=0.02).run(FAULT_SECONDS)
                counted = pool_of(app).snapshot()
            back = seconds_until(lambda: app.test_client().get("/?city=London").status_code == 200, 5)

            assert clients.stuck == 0
            assert set(clients.statuses) <= {503, 504}
            assert_each_is_counted(clients, counted)
            assert clients.slowest <= DEADLINE_SECONDS + SLACK_SECONDS
            assert back <= BACK_WITHIN_SECONDS
            assert_no_orphans(fault_server, user, ORPHANS_GONE_WITHIN_SECONDS)
            assert_nothing_is_lent(reader_of(app))
            dispose(app)

    return run


def assert_each_is_counted(clients: Clients, counted: dict[str, Any]) -> None:
    """What the clients were told is what the pool has counted."""
    told = Counter(answer.text for answer in clients.failed)
    assert told.total() > 0
    assert told == Counter(
        {
            "All database connections are in use. Try again soon.\n": counted["refused"] + counted["timed_out"],
            "The database is away. Try again soon.\n": counted["turned_away"],
            "The database took too long to answer.\n": counted["overran"],
            "Others are in the way. Try again soon.\n": counted["conflicts"],
        }
    )


def warm_up(app: Flask) -> None:
    """Fill the reader's pool."""
    assert app.test_client().get("/?city=London").status_code == 200
    with app.app_context(), ExitStack() as lent:
        for _ in range(pool_of(app).size()):
            lent.enter_context(db.engines["reader"].connect())


@each_fault(*FAULTS)
def test_every_request_is_answered_in_time(endure: Callable[..., None], fault: Fault) -> None:
    endure(fault)


@on_postgresql
def test_a_connection_for_each_request_has_the_deadline_too(endure: Callable[..., None]) -> None:
    endure(frozen, POOL_STRATEGY="request")


@on_mariadb
def test_a_connection_for_each_request_has_slow_queries_stopped_too(endure: Callable[..., None]) -> None:
    endure(slow_query, POOL_STRATEGY="request")


@on_mariadb
@each_fault(frozen, black_hole, accepted_but_silent)
@pytest.mark.parametrize("driver", [MYSQLDB])
def test_mysqlclient_has_the_deadline_too(endure: Callable[..., None], fault: Fault, driver: str) -> None:
    endure(fault, driver=f"mysql+{driver}")
