"""Behind PgBouncer in transaction mode: each transaction may be on another connection to the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, make_url, text

from steadypool import read
from testkit.databases import Database, administer, plain_engine
from testkit.fault_servers import FaultServer
from testkit.leaving_out import leave_out
from testkit.pgbouncer import CONNECTIONS, pgbouncer
from testkit.servers import MissingError
from testkit.waiting import eventually
from tests.pool.service import Clients, Service
from tests.pool.writing import Writing, kept_at
from tests.support.kinds import on_postgresql
from tests.support.ledger import ledger, metadata

pytestmark = on_postgresql


@contextmanager
def behind_pgbouncer(database: Database, ignored: str = "options") -> Iterator[str]:
    try:
        with pgbouncer(database.url, ignored=ignored) as url:
            yield url.render_as_string(hide_password=False)
    except MissingError as error:
        leave_out("pgbouncer", error)


@pytest.mark.parametrize("strategy", ["queue", "request"])
def test_many_of_our_connections_share_a_few_of_the_servers(
    make_service: Callable[..., Service],
    seeded: Database,
    fault_server: FaultServer,
    user: str,
    strategy: str,
) -> None:
    """A statement that psycopg had prepared on one would, from its sixth use on, be looked for on another."""
    metadata.create_all(plain_engine(seeded.url))
    with seeded.connect() as connection:
        connection.execute(delete(ledger))  # other tests have written there
    with behind_pgbouncer(seeded) as url:
        service = make_service(url=url, strategy=strategy)
        writing = Writing(service.writer)
        readers, writers = Clients(service, 8), Clients(service, 4, work=writing)
        with readers.running(), writers.running():
            assert eventually(lambda: len(readers.answers) > 200 and len(writing.told) > 20, 30)
            assert len(fault_server.sessions(user)) <= CONNECTIONS
        service.dispose()

    assert (readers.failed, readers.wrong, writers.failed) == ([], [], [])
    assert writing.untrue(kept_at(seeded.url)) == []


def test_it_refuses_who_says_options_unless_it_is_told_to_ignore_them(
    make_service: Callable[..., Service], seeded: Database
) -> None:
    with behind_pgbouncer(seeded, ignored="") as url:
        service = make_service(url=url, deadline_seconds=1.0)

        assert service.ask().word == "down"
        service.dispose()


def test_a_limit_for_statements_is_the_databases_since_ours_is_ignored(
    make_service: Callable[..., Service], seeded: Database
) -> None:
    asked = text("SHOW statement_timeout")
    name = make_url(seeded.url).database
    with behind_pgbouncer(seeded) as url:
        service = make_service(url=url)
        assert read(service.reader, lambda connection: connection.scalar(asked)) == "0"
        service.dispose()

    administer(seeded.admin_url, f"ALTER DATABASE {name} SET statement_timeout = '2s'")
    try:
        with behind_pgbouncer(seeded) as url:
            service = make_service(url=url)
            assert read(service.reader, lambda connection: connection.scalar(asked)) == "2s"
            service.dispose()
    finally:
        administer(seeded.admin_url, f"ALTER DATABASE {name} RESET statement_timeout")
