"""A primary with a replica that follows it: it hands over, or is killed, and the writers' address leads to the other.

Reads go to the replica all the time. The address is moved as a proxy or a name is: what is open stays open.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from steadypool import PoolPolicy
from testkit.databases import plain_engine
from testkit.fault_servers import FaultServer, Kind, seeded_database
from testkit.leaving_out import leave_out
from testkit.proxy import Proxy
from testkit.replicas import Replicated, obtain
from testkit.servers import MissingError
from testkit.waiting import eventually
from testkit.yard import wait_for
from tests.pool import library
from tests.pool.service import FOUND, Clients, Service
from tests.pool.writing import Writing, assert_a_write_soon_after, assert_all_read, kept_at
from tests.support.ledger import metadata

pytestmark = pytest.mark.long_form("mysql")

DEADLINE_SECONDS = 6.0
"""Twice the default: a busy machine is not to look like a database that says nothing."""
LAG_SECONDS = 60.0
"""Longer than a fail-over takes: what is written meanwhile never arrives."""
SOME = 30


class Pair:
    """A primary, its replica, and a service that reads from this one and writes to whoever `address` leads to."""

    def __init__(self, servers: Replicated, closing: ExitStack) -> None:
        self.servers = servers
        self.database = closing.enter_context(seeded_database(servers.primary, filled))
        servers.catch_up()
        is_mysql = servers.primary.is_mysql
        self.address = closing.enter_context(Proxy("127.0.0.1", servers.primary.port, is_mysql=is_mysql))
        policy = PoolPolicy(deadline_seconds=DEADLINE_SECONDS, tls="off")
        self.successor = servers.on_replica(self.database)
        self.service = Service(self.successor, policy, writer_size=4, writer_url=self.address.url(self.database.url))
        closing.callback(self.service.dispose)
        self.writing = Writing(self.service.writer)
        self.readers = Clients(self.service, 4)
        self.writers = Clients(self.service, 4, work=self.writing, pause=0.01)

    def has_written(self, more: int) -> bool:
        """Wait until so many more were acknowledged."""
        began = time.monotonic()
        return eventually(lambda: len(self.writing.done_after(began)) >= more, 30)

    def promote(self) -> float:
        """Make the replica the primary, and lead there whoever connects from now on; return when (monotonic)."""
        self.servers.promote()
        self.address.lead_to(self.servers.replica.port)
        return time.monotonic()


def filled(url: str) -> None:
    """Bring the library, and the ledger."""
    library.fill(url)
    metadata.create_all(plain_engine(url))


@pytest.fixture(params=[Kind.MARIADB, Kind.MYSQL, Kind.POSTGRESQL], ids=lambda kind: kind.value)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A pair for this test alone, since no test leaves it as it was."""
    with ExitStack() as closing:
        try:
            servers = obtain(request.param)
        except MissingError as error:
            leave_out(f"{request.param.value} with a replica", error)
        closing.callback(servers.remove)
        yield Pair(servers, closing)


def hand_over(pair: Pair) -> float:
    """Let the primary take no more writes, the replica catch up, and then be the primary; return when that was."""
    servers = pair.servers
    if servers.kind is Kind.POSTGRESQL:
        servers.primary.stop()  # it goes only when its replica has received all
    else:
        servers.primary.admin("SET GLOBAL read_only = ON")
        servers.catch_up()
    return pair.promote()


def test_a_planned_switch_over_fails_no_read_and_loses_no_write(pair: Pair) -> None:
    with pair.readers.running(), pair.writers.running():
        assert pair.has_written(SOME)
        moved = hand_over(pair)
        assert_a_write_soon_after(moved, pair.writing, pair.writers)
        assert pair.has_written(SOME)

    assert_all_read(pair.readers)
    assert set(pair.writers.statuses) <= {"done", "down", "unknown"}, pair.writers.statuses
    assert pair.writing.untrue(kept_at(pair.successor)) == []
    if pair.servers.kind is not Kind.POSTGRESQL:
        # Connections that lead to the old one are still open: it says no (1290), and the unit goes to the new one.
        assert {answer.status for answer in pair.writers.asked_after(moved)} == {"done"}


@pytest.mark.long_form("mysql", "postgresql")  # PostgreSQL is killed in the next test
def test_a_fail_over_loses_only_what_the_replica_had_not_received(pair: Pair) -> None:
    """That is what asynchronous replication promises: it was acknowledged, and is gone, and nobody is told."""
    with pair.readers.running(), pair.writers.running():
        assert pair.has_written(SOME)
        pair.writers.rest()
        assert eventually(lambda: len(pair.writers.answers) == len(pair.writers.requests))
        pair.servers.catch_up()
        behind = time.monotonic()
        pair.servers.lag(LAG_SECONDS)
        pair.writers.go_on()
        assert pair.has_written(SOME)
        pair.servers.primary.kill()
        moved = pair.promote()
        assert_a_write_soon_after(moved, pair.writing, pair.writers)
        assert pair.has_written(SOME)

    assert_all_read(pair.readers)
    assert set(pair.writers.statuses) <= {"done", "down", "unknown"}, pair.writers.statuses
    untrue = pair.writing.untrue(kept_at(pair.successor))
    lost = [told for told in untrue if (told.word, told.times) == ("done", 0)]
    assert lost == untrue, "there is worse than what was lost"
    assert len(lost) >= SOME
    assert {behind < told.moment < moved for told in lost} == {True}


@contextmanager
def synchronous(primary: FaultServer) -> Iterator[None]:
    """Let each COMMIT wait for a replica; afterwards the server runs again and waits for none."""
    primary.admin("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.admin("SELECT pg_reload_conf()")
    wait_for(lambda: primary.admin("SELECT sync_state FROM pg_stat_replication") == [("sync",)], "be synchronous")
    try:
        yield
    finally:
        primary.repair()
        primary.admin("ALTER SYSTEM RESET synchronous_standby_names")
        primary.admin("SELECT pg_reload_conf()")


@pytest.mark.parametrize("pair", [Kind.POSTGRESQL], indirect=True, ids=lambda kind: kind.value)
def test_a_fail_over_to_a_synchronous_replica_loses_nothing_that_was_acknowledged(pair: Pair) -> None:
    """Its price: without the replica nobody knows of a COMMIT, and it is said at the deadline."""
    primary, between = pair.servers.primary, pair.servers.between
    with synchronous(primary):
        between.freeze()
        assert (pair.service.do(pair.writing), pair.service.ask()) == ("unknown", FOUND)
        between.heal()
        between.delay(0.05)

        with pair.readers.running(), pair.writers.running():
            assert pair.has_written(SOME)
            primary.kill()
            assert_a_write_soon_after(pair.promote(), pair.writing, pair.writers)

    assert_all_read(pair.readers)
    assert pair.writing.untrue(kept_at(pair.successor)) == []


@pytest.mark.parametrize("pair", [Kind.POSTGRESQL], indirect=True, ids=lambda kind: kind.value)
def test_a_former_primary_that_still_takes_writes_keeps_them_until_its_connections_are_cut(pair: Pair) -> None:
    """Nobody can tell by looking at a connection that its server is not the primary any more: who moves must cut."""
    with pair.writers.running():
        assert pair.has_written(SOME)
        before = time.monotonic()
        pair.promote()
        assert pair.has_written(SOME)
        assert pair.address.reset_all() > 0
        cut = time.monotonic()
        assert pair.has_written(SOME)

    lost = pair.writing.untrue(kept_at(pair.successor))
    assert {(told.word, told.times) for told in lost} == {("done", 0)}
    assert len(lost) >= SOME
    # What was told just after the cut may have been sent before it.
    assert all(before < told.moment < cut + DEADLINE_SECONDS for told in lost)
    assert pair.writing.told[-1] not in lost
