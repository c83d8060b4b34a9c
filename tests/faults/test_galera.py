"""A Galera cluster behind HAProxy: migrations on its nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import inspect

from app.schema import KEPT_ANSWERS, TABLES
from migrations import lock
from migrations.lock import migration_lock
from testkit.databases import alembic, plain_engine
from testkit.galera import Cluster, Node
from testkit.yard import wait_for


@pytest.mark.tables
def test_migrations_on_two_nodes_wait_for_each_other(cluster: Cluster, unmigrated: Callable[[Node], str]) -> None:
    """GET_LOCK holds on one node; the tables that one is just making are not those that a killed one left half made."""
    first, second = map(unmigrated, cluster.nodes[:2])

    with ThreadPoolExecutor(1) as threads:
        with migration_lock(plain_engine(first)):
            other = threads.submit(alembic, second, "upgrade", "head")
            with pytest.raises(TimeoutError):
                other.result(2)
            assert tables(first) == {lock.NAME}
        done = other.result(30)

    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: {*TABLES, *KEPT_ANSWERS, "alembic_version"} == tables(first), "replicate", 5)


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
