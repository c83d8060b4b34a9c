"""A Galera cluster behind HAProxy: a node that has lost its cluster lets everybody in and refuses every statement."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, insert, inspect, select, update

from app import create_app
from app.extensions import db
from config import load_settings
from migrations import lock
from migrations.lock import migration_lock
from steadypool import in_transaction
from steadypool.errors import OutcomeUnknownError
from testkit.databases import Database, alembic, migrate_and_seed, plain_engine
from testkit.galera import Cluster, Node, galera
from testkit.leaving_out import leave_out
from testkit.servers import MissingError, Server
from testkit.yard import wait_for
from tests.conftest import dispose
from tests.faults.clients import Clients
from tests.faults.support import pool_of, reader_of, writer_of
from tests.support.ledger import Unit, Witness, ledger, witness_of
from tests.support.leftovers import assert_nothing_is_lent
from tests.support.pools import steady
from tests.support.problems import assert_problem

LONG_SECONDS = float(os.environ.get("GALERA_SECONDS", "4"))
"""For how long is read once a node refuses; GALERA_SECONDS=60 to look longer."""
DEADLINE_SECONDS = 3.0
LEAVING_SECONDS = 30
"""A silent node is suspected after five seconds; this machine may be busy."""
NAME = "sakila"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ExitStack() as closing:
        try:
            made = closing.enter_context(galera())
        except MissingError as error:
            leave_out("galera", error)
        yield made


@pytest.fixture(scope="module")
def sakila(cluster: Cluster) -> Database:
    """Sakila, written by way of HAProxy to the one node that takes writes."""
    cluster.nodes[0].ask(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")
    made = on_port(cluster, cluster.writer_port)
    migrate_and_seed(made.url)
    return made


@pytest.fixture
def make_app(cluster: Cluster, sakila: Database) -> Iterator[Callable[..., Flask]]:
    """Return the application: it writes to one node and reads from all, or does both on the node that is given."""
    with ExitStack() as closing:

        def make(node: Node | None = None, **settings: object) -> Flask:
            writer, reader = (node.port,) * 2 if node else (cluster.writer_port, cluster.reader_port)
            environ = {
                "DATABASE_URL": on_port(cluster, writer).url,
                "DATABASE_READ_URL": on_port(cluster, reader).url,
                "ACCESS_LOG": "off",
                "REQUEST_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
                **settings,
            }
            app = create_app(load_settings({name: str(value) for name, value in environ.items()}))
            closing.callback(dispose, app)
            return app

        yield make


@pytest.fixture
def witness(sakila: Database) -> Iterator[Witness]:
    with witness_of(sakila) as made:
        yield made


def on_port(cluster: Cluster, port: int) -> Database:
    url = cluster.url(port, NAME)
    text = url.render_as_string(hide_password=False)
    return Database("mariadb118", text, text, Server("mariadb118", url))


def assert_all_well(clients: Clients, app: Flask) -> None:
    assert len(clients.answers) > 100, "hardly anything was asked: the test shows nothing"
    assert clients.failed == []
    assert clients.wrong == []
    assert clients.stuck == 0
    assert max(answer.seconds for answer in clients.answers) < DEADLINE_SECONDS
    assert_nothing_is_lent(reader_of(app))


def wait_until_it_refuses(node: Node) -> None:
    wait_for(lambda: node.has_left, "leave", LEAVING_SECONDS)


def test_no_read_fails_while_a_node_is_cut_off_from_its_cluster(
    make_app: Callable[..., Flask], cluster: Cluster
) -> None:
    """The cluster's majority is there all the time, so somebody can answer."""
    app, lost = make_app(), cluster.nodes[2]
    clients = Clients(app, 16)

    with clients.running():
        time.sleep(1)
        with cluster.cut(lost):
            wait_until_it_refuses(lost)
            time.sleep(LONG_SECONDS)

    assert_all_well(clients, app)
    told = pool_of(app).snapshot()
    assert told["retried"] > 0, "the node was not met: the test shows nothing"
    # Each was closed when it had been refused, and none because others were.
    assert set(told["closed"]) <= {"error", "replaced", "stale", "surplus"}, told["closed"]


def test_what_a_node_without_its_cluster_refuses_is_away_and_not_kept(
    make_app: Callable[..., Flask], cluster: Cluster, witness: Witness
) -> None:
    """A read of which no other node can be asked; a unit of writing at its COMMIT, and one at its first statement."""
    lost = cluster.nodes[2]
    patient, hasty = make_app(lost, REQUEST_DEADLINE_SECONDS=18), make_app(lost).test_client()
    assert hasty.get("/?city=London").status_code == 200
    patient.add_url_rule("/api/write", view_func=lambda: in_transaction(db.engine, units.pop(0)), methods=["POST"])
    writer = writer_of(patient)
    in_transaction(writer, Unit())

    with ExitStack() as healing:

        class Interrupted(Unit):
            def __call__(self, connection: Connection) -> str:
                super().__call__(connection)
                healing.enter_context(cluster.cut(lost))
                wait_until_it_refuses(lost)
                return self.nonce

        units: list[Unit] = [Interrupted(), Unit()]
        tried = list(units)
        refused = [patient.test_client().post("/api/write") for _ in tried]
        left, began = steady(writer).checkedin(), time.monotonic()
        refused.append(hasty.get("/?city=London", headers={"Accept": "application/json"}))
        took = time.monotonic() - began

    for response in refused:
        assert_problem(response, 503, "database-unavailable")
    assert left == 0, "a connection to a node that refuses was kept"
    assert [unit.begun for unit in tried] == [1, 1]
    assert [witness.times(unit) for unit in tried] == [0, 0]
    assert took < DEADLINE_SECONDS + 0.5
    assert hasty.get("/?city=London").status_code == 200
    assert_kept(writer, witness)


def test_a_commit_that_was_under_way_when_the_node_was_cut_off_is_unknown(
    make_app: Callable[..., Flask], cluster: Cluster, witness: Witness
) -> None:
    """Galera says 1180, error during COMMIT: what was sent before the cut may have been kept by the others."""
    lost = cluster.nodes[2]
    writer, unit = writer_of(make_app(lost)), Unit()
    in_transaction(writer, Unit())

    with ExitStack() as healing:

        class Interrupted(Unit):
            def __call__(self, connection: Connection) -> str:
                super().__call__(connection)
                healing.enter_context(cluster.cut(lost))
                return self.nonce

        unit = Interrupted()
        with pytest.raises(OutcomeUnknownError):
            in_transaction(writer, unit)

    assert unit.begun == 1
    assert witness.times(unit) in (0, 1)
    assert_kept(writer, witness)


def assert_kept(writer: Engine, witness: Witness) -> None:
    unit = Unit()
    in_transaction(writer, unit)
    wait_for(lambda: witness.times(unit) == 1, "replicate", 5)


def test_of_two_nodes_that_change_a_row_one_does_it_again_and_both_count(
    make_app: Callable[..., Flask], cluster: Cluster, witness: Witness
) -> None:
    """Certification lost at COMMIT is a deadlock (1213) to the client: nothing was kept, and the unit is done again."""
    writers = [writer_of(make_app(node)) for node in cluster.nodes[:2]]
    row = 1_000_001
    witness.connection.execute(ledger.delete().where(ledger.c.id == row))
    witness.connection.execute(insert(ledger), {"id": row, "nonce": "row", "part": 0})
    meeting = threading.Barrier(2)

    class Counting(Unit):
        def between(self, connection: Connection) -> None:
            connection.execute(update(ledger).where(ledger.c.id == row).values(part=ledger.c.part + 1))
            if self.begun == 1:
                meeting.wait(5)

    units = [Counting(), Counting()]
    wait_for(lambda: cluster.nodes[1].ask(f"SELECT 1 FROM {NAME}.ledger WHERE id = {row}") != [], "replicate", 5)
    with ThreadPoolExecutor(2) as threads:
        for end in [threads.submit(in_transaction, writer, unit) for writer, unit in zip(writers, units, strict=True)]:
            end.result(20)

    assert sum(unit.begun for unit in units) > 2
    wait_for(lambda: [witness.times(unit) for unit in units] == [1, 1], "replicate", 5)
    assert witness.connection.scalar(select(ledger.c.part).where(ledger.c.id == row)) == 2


def test_migrations_on_two_nodes_wait_for_each_other(cluster: Cluster, unmigrated: Callable[[Node], str]) -> None:
    """GET_LOCK holds on one node; the tables that one is just making are not those that a killed one left half made."""
    first, second = map(unmigrated, cluster.nodes[:2])

    with ThreadPoolExecutor(1) as threads:
        with migration_lock(plain_engine(first)):
            other = threads.submit(alembic, second, "upgrade", "head")
            with pytest.raises(TimeoutError):
                other.result(3)
            assert tables(first) == {lock.NAME}
        done = other.result(30)

    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: {"city", "country", "alembic_version"} == tables(first), "replicate", 5)


def test_what_a_killed_migration_left_is_taken_over_on_its_node_and_told_on_others(
    cluster: Cluster, unmigrated: Callable[[Node], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = map(unmigrated, cluster.nodes[:2])
    monkeypatch.setattr(lock, "WAIT_SECONDS", 1)
    cluster.nodes[0].ask(f"CREATE TABLE unmigrated.{lock.NAME} (nothing INT PRIMARY KEY) COMMENT 'node1 0123'")

    with (
        pytest.raises(SystemExit, match=f"running on the node node1 .* DROP TABLE {lock.NAME}"),
        migration_lock(plain_engine(second)),
    ):
        pass
    with migration_lock(plain_engine(first)):
        assert tables(first) == {lock.NAME}

    assert tables(first) == set()


@pytest.fixture
def unmigrated(cluster: Cluster) -> Iterator[Callable[[Node], str]]:
    """Return the address on a node of a database without tables."""
    cluster.nodes[0].ask("CREATE DATABASE unmigrated CHARACTER SET utf8mb4")

    def on_node(node: Node) -> str:
        wait_for(lambda: node.ask("SHOW DATABASES LIKE 'unmigrated'") != [], "replicate", 5)
        return cluster.url(node.port, "unmigrated").render_as_string(hide_password=False)

    yield on_node
    cluster.nodes[0].ask("DROP DATABASE unmigrated")


def tables(url: str) -> set[str]:
    with plain_engine(url).connect() as connection:
        return set(inspect(connection).get_table_names())


def test_no_read_fails_when_a_node_is_killed(make_app: Callable[..., Flask], cluster: Cluster) -> None:
    """The last test of all: the node does not come back."""
    app = make_app()
    clients = Clients(app, 16)

    with clients.running():
        time.sleep(1)
        cluster.nodes[2].inside.kill()
        time.sleep(LONG_SECONDS)

    assert_all_well(clients, app)
