"""A Galera cluster behind HAProxy: a node that has lost its cluster lets everybody in and refuses every statement."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, update

from steadypool import PoolPolicy, after, create_pool_engine, in_transaction, read
from steadypool.errors import OutcomeUnknownError
from testkit.databases import Database
from testkit.galera import Cluster, Node
from testkit.waiting import eventually
from testkit.yard import wait_for
from tests.pool import library
from tests.pool.service import FOUND, Clients, Service
from tests.support.clusters import NAME, on_port, wait_until_it_refuses
from tests.support.ledger import Unit, Witness, ledger, witness_of
from tests.support.leftovers import assert_nothing_is_lent
from tests.support.pools import steady

LONG_SECONDS = float(os.environ.get("GALERA_SECONDS", "3"))
"""For how long is read once a node refuses; GALERA_SECONDS=60 to look longer."""
DEADLINE_SECONDS = 3.0


@pytest.fixture(scope="module")
def filled(cluster: Cluster) -> Database:
    """The library, written by way of HAProxy to the one node that takes writes."""
    made = on_port(cluster, cluster.writer_port)
    library.fill(made.url)
    return made


@pytest.fixture
def make_service(cluster: Cluster, filled: Database) -> Iterator[Callable[..., Service]]:
    """Return a service: it writes to one node and reads from all, or does both on the node that is given."""
    with ExitStack() as closing:

        def make(node: Node | None = None, **policy: Any) -> Service:
            writer, reader = (node.port,) * 2 if node else (cluster.writer_port, cluster.reader_port)
            made = Service(
                on_port(cluster, reader).url,
                PoolPolicy(**{"deadline_seconds": DEADLINE_SECONDS, **policy}),
                writer_url=on_port(cluster, writer).url,
            )
            closing.callback(made.dispose)
            return made

        yield make


@pytest.fixture
def witness(filled: Database) -> Iterator[Witness]:
    with witness_of(filled) as made:
        yield made


@pytest.fixture
def on_two_nodes(cluster: Cluster, witness: Witness) -> Iterator[tuple[Engine, Engine]]:
    """Return an engine that writes on one node and one that reads on another, which it may have to wait for."""
    writer = create_pool_engine(on_port(cluster, cluster.nodes[0].port).url)
    policy = PoolPolicy(catch_up_seconds=0.2)
    reader = create_pool_engine(on_port(cluster, cluster.nodes[2].port).url, policy, role="reader")
    yield writer, reader
    for engine in (writer, reader):
        engine.dispose()


def write_and_count(writer: Engine, reader: Engine) -> int:
    """Return how many parts of a unit are seen on the other node right after it was written: two, or it is stale."""
    unit, told = Unit(), list[str]()
    in_transaction(writer, unit, tell_position=told.append)
    parts = select(func.count()).select_from(ledger).where(ledger.c.nonce == unit.nonce)
    with after(told[0], writer):
        return read(reader, lambda connection: connection.scalar(parts) or 0)


def test_a_read_on_another_node_sees_what_was_just_written(on_two_nodes: tuple[Engine, Engine]) -> None:
    writer, reader = on_two_nodes

    assert [write_and_count(writer, reader) for _ in range(100)] == [2] * 100
    assert steady(reader).snapshot()["diverted"] < 50


def test_a_node_that_applies_nothing_is_passed_over(on_two_nodes: tuple[Engine, Engine], cluster: Cluster) -> None:
    writer, reader = on_two_nodes

    with cluster.nodes[2].connect() as admin:
        for order in ("SET GLOBAL wsrep_desync = ON", "FLUSH TABLES WITH READ LOCK"):
            admin.cursor().execute(order)
        found = [write_and_count(writer, reader) for _ in range(3)]
        for order in ("UNLOCK TABLES", "SET GLOBAL wsrep_desync = OFF"):
            admin.cursor().execute(order)

    assert found == [2] * 3
    assert steady(reader).snapshot()["diverted"] == 3


def assert_all_well(clients: Clients, service: Service) -> None:
    assert len(clients.answers) > 100, "hardly anything was asked: the test shows nothing"
    assert clients.failed == []
    assert clients.wrong == []
    assert clients.stuck == 0
    assert max(answer.seconds for answer in clients.answers) < DEADLINE_SECONDS
    assert_nothing_is_lent(service.reader)


def test_no_read_fails_while_a_node_is_cut_off_from_its_cluster(
    make_service: Callable[..., Service], cluster: Cluster
) -> None:
    """The cluster's majority is there all the time, so somebody can answer."""
    service, lost = make_service(), cluster.nodes[2]
    clients = Clients(service, 16)
    cluster.wait_until_read(lost)

    with clients.running():
        assert eventually(lambda: len(clients.answers) > 50)
        with cluster.cut(lost):
            wait_until_it_refuses(lost)
            time.sleep(LONG_SECONDS)

    assert_all_well(clients, service)
    told = service.pool.snapshot()
    # HAProxy may find out first, and cut off who is there: that is seen before the next use.
    met = told["retried"] + told["closed"].get("stale", 0)
    assert met > 0, f"the node was not met: the test shows nothing: {told}"
    # Each was closed when it had been refused, and none because others were.
    assert set(told["closed"]) <= {"error", "replaced", "stale", "surplus"}, told["closed"]


def test_of_what_a_node_refuses_that_lost_its_cluster_its_caller_knows_what_became_of_it(
    make_service: Callable[..., Service], cluster: Cluster, witness: Witness
) -> None:
    """A COMMIT that is under way then is unknown: Galera says 1180, and the others may have kept it.

    One that comes later was not kept, nor a unit whose first statement is refused; and nobody else can be asked.
    """
    lost = cluster.nodes[2]
    patient, hasty = make_service(lost, deadline_seconds=18), make_service(lost)
    assert hasty.ask() == FOUND
    writer = patient.writer
    in_transaction(writer, Unit())

    with ExitStack() as healing:

        class UnderWay(Unit):
            def __call__(self, connection: Connection) -> str:
                super().__call__(connection)
                healing.enter_context(cluster.cut(lost))
                return self.nonce

        class Late(Unit):
            def __call__(self, connection: Connection) -> str:
                super().__call__(connection)
                with pytest.raises(OutcomeUnknownError):
                    in_transaction(writer, under_way)
                wait_until_it_refuses(lost)
                return self.nonce

        under_way, late, later = UnderWay(), Late(), Unit()
        refused = [patient.do(lambda: in_transaction(writer, unit)) for unit in (late, later)]  # noqa: B023 -- called at once
        left, began = steady(writer).checkedin(), time.monotonic()
        refused.append(hasty.ask(by="read").word)
        took = time.monotonic() - began

    assert refused[:2] == ["down"] * 2
    assert refused[2] in ("down", "too slow")  # its deadline may end in the middle of a try
    assert left == 0, "a connection to a node that refuses was kept"
    assert [unit.begun for unit in (under_way, late, later)] == [1, 1, 1]
    assert [witness.times(unit) for unit in (late, later)] == [0, 0]
    assert witness.times(under_way) in (0, 1)
    assert took < DEADLINE_SECONDS + 0.5
    assert hasty.ask() == FOUND
    unit = Unit()
    in_transaction(writer, unit)
    wait_for(lambda: witness.times(unit) == 1, "replicate", 5)


def test_of_two_nodes_that_change_a_row_one_does_it_again_and_both_count(
    make_service: Callable[..., Service], cluster: Cluster, witness: Witness
) -> None:
    """Certification lost at COMMIT is a deadlock (1213) to the client: nothing was kept, and the unit is done again."""
    writers = [make_service(node).writer for node in cluster.nodes[:2]]
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


@pytest.mark.parametrize("number", [0, 1], ids=["same node", "another node"])
def test_a_unit_that_a_ddl_statement_ended_is_done_again(
    make_service: Callable[..., Service], cluster: Cluster, witness: Witness, number: int
) -> None:
    """It ends every open transaction that has used its table, on all nodes (1213)."""

    class Ended(Unit):
        def between(self, connection: Connection) -> None:
            if self.begun == 1:
                cluster.nodes[0].ask(f"ALTER TABLE {NAME}.ledger FORCE")

    unit = Ended()
    in_transaction(make_service(cluster.nodes[number]).writer, unit)

    assert unit.begun == 2
    wait_for(lambda: witness.times(unit) == 1, "replicate", 5)


def test_no_read_fails_when_a_node_is_killed(make_service: Callable[..., Service], cluster: Cluster) -> None:
    """The last test of all: the node does not come back."""
    service = make_service()
    clients = Clients(service, 16)

    with clients.running():
        assert eventually(lambda: len(clients.answers) > 50)
        cluster.nodes[2].inside.kill()
        time.sleep(LONG_SECONDS)

    assert_all_well(clients, service)
