"""A Galera cluster behind HAProxy: migrations on its nodes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text

from app.schema import KEPT_ANSWERS, TABLES
from migrations import lease, lock
from migrations.lease import LEASE
from migrations.lock import migration_lock
from testkit.databases import alembic, plain_engine
from testkit.galera import Cluster, Node
from testkit.waiting import eventually
from testkit.yard import wait_for
from tests.support.migrator import migrator
from tests.support.rolling import SIDE_BY_SIDE, example, follow

SILENT_SECONDS = 3.0
ROUNDS = 3


@pytest.mark.tables
def test_migrations_on_two_nodes_wait_for_each_other(cluster: Cluster, unmigrated: Callable[[Node], str]) -> None:
    """GET_LOCK holds on one node; the tables that one is just making are not those that a killed one left half made."""
    first, second = map(unmigrated, cluster.nodes[:2])

    with ThreadPoolExecutor(1) as threads:
        with migration_lock(plain_engine(first)):
            other = threads.submit(alembic, second, "upgrade", "head")
            with pytest.raises(TimeoutError):
                other.result(2)
            assert tables(first) == {LEASE.name}
        done = other.result(60)

    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: {*TABLES, *KEPT_ANSWERS, "alembic_version"} == tables(first), "replicate", 5)


def test_of_two_that_begin_at_once_on_two_nodes_one_works_at_a_time(
    cluster: Cluster, unmigrated: Callable[[Node], str]
) -> None:
    beginning, inside, met = threading.Barrier(2), threading.Lock(), list[bool]()

    def migrate_often(url: str) -> None:
        for _ in range(ROUNDS):
            beginning.wait(60)
            with migration_lock(plain_engine(url)) as connection:
                met.append(not inside.acquire(blocking=False))
                connection.execute(text("DO SLEEP(0.5)"))  # long enough for one who does not wait
                if not met[-1]:
                    inside.release()

    with ThreadPoolExecutor(2) as threads:
        for end in [threads.submit(migrate_often, unmigrated(node)) for node in cluster.nodes[:2]]:
            end.result()

    assert met == [False] * 2 * ROUNDS
    assert tables(unmigrated(cluster.nodes[0])) == set()


def test_it_gives_signs_of_life_while_it_works(cluster: Cluster, unmigrated: Callable[[Node], str], fast: None) -> None:
    first, second = map(unmigrated, cluster.nodes[:2])

    with migration_lock(plain_engine(first)):
        seen = beat(second)
        assert eventually(lambda: beat(second) > seen + 1, 30)


def test_who_waits_for_too_long_is_told_for_which_node(
    cluster: Cluster, unmigrated: Callable[[Node], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = map(unmigrated, cluster.nodes[:2])
    monkeypatch.setattr(lease, "WAIT_SECONDS", 1)

    with (
        migration_lock(plain_engine(first)),
        pytest.raises(SystemExit, match=r"running on the node node1 .*; nothing was changed"),
        migration_lock(plain_engine(second)),
    ):
        pass

    assert tables(first) == set()


@pytest.mark.parametrize("number", [0, 1], ids=["same node", "another node"])
def test_from_one_that_was_killed_the_next_takes_over(
    cluster: Cluster, unmigrated: Callable[[Node], str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """On the same node without waiting for silence: the server gave GET_LOCK back."""
    first = unmigrated(cluster.nodes[0])
    monkeypatch.setattr(lease, "SILENT_SECONDS", SILENT_SECONDS if number else float("inf"))
    with migrator(first) as killed:
        killed.kill()
        killed.wait()
    assert tables(first) == {LEASE.name}

    with migration_lock(plain_engine(unmigrated(cluster.nodes[number]))):
        pass

    assert tables(first) == set()


def test_one_that_was_stopped_and_taken_over_does_not_go_on(
    cluster: Cluster, unmigrated: Callable[[Node], str], fast: None
) -> None:
    first, second = map(unmigrated, cluster.nodes[:2])

    with migrator(first, lease.BEAT_SECONDS) as stopped:
        stopped.send_signal(signal.SIGSTOP)
        with migration_lock(plain_engine(second)):
            stopped.send_signal(signal.SIGCONT)
            _, said = stopped.communicate("went_on\n", timeout=60)

            assert tables(second) == {LEASE.name}, "it made its table, or dropped the lease that it had lost"

    assert stopped.returncode == 1
    assert said.startswith("This migration was held up for so long that another one has taken over from it")


def test_one_that_was_stopped_and_not_taken_over_goes_on(
    cluster: Cluster, unmigrated: Callable[[Node], str], fast: None
) -> None:
    """However long it was: the row is still its own."""
    first = unmigrated(cluster.nodes[0])

    with migrator(first, lease.BEAT_SECONDS) as stopped:
        stopped.send_signal(signal.SIGSTOP)
        seen = beat(first)
        assert not eventually(lambda: beat(first) > seen + 1, 4 * lease.BEAT_SECONDS), "it was not stopped"
        stopped.send_signal(signal.SIGCONT)
        _, said = stopped.communicate("went_on\n", timeout=60)

    assert (stopped.returncode, said) == (0, "")
    assert tables(first) == {"went_on"}


def test_nobody_on_its_own_node_takes_over_from_one_that_is_stopped(
    cluster: Cluster, unmigrated: Callable[[Node], str], monkeypatch: pytest.MonkeyPatch, fast: None
) -> None:
    """Its connection is still there, and may be in the middle of a statement."""
    first = unmigrated(cluster.nodes[0])
    monkeypatch.setattr(lock, "WAIT_SECONDS", 2 * SILENT_SECONDS)

    with migrator(first) as stopped:
        stopped.send_signal(signal.SIGSTOP)
        with pytest.raises(SystemExit, match="could not be had"), migration_lock(plain_engine(first)):
            pass


@pytest.mark.timeout(300)
def test_no_request_fails_while_a_column_is_renamed_in_steps(
    cluster: Cluster, unmigrated: Callable[[Node], str], tmp_path: Path
) -> None:
    """As `docs/migrations.md` has it; DDL ends open transactions here, which are done again."""
    follow(example(SIDE_BY_SIDE), unmigrated(cluster.nodes[0]), tmp_path)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let signs of life come quickly, and be missed soon."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lease, "SILENT_SECONDS", SILENT_SECONDS)


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


def beat(url: str) -> int:
    """Return how often the owner of the lease has given a sign of life."""
    with plain_engine(url).connect() as connection:
        return connection.scalar(select(LEASE.c.beat)) or 0
