"""What an incident on a cluster may touch: its nodes, HAProxy before them, and those who ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import make_url

from benchmarks.faults.incidents.scene import Incident, Scene, told
from testkit.containers import Container
from testkit.galera import Cluster, Node
from testkit.yard import wait_for

INCIDENTS: dict[str, Incident] = {}
"""All of them, in the order of the table."""


@dataclass(kw_only=True)
class ClusterScene(Scene):
    """Three nodes, and HAProxy before all stacks alike."""

    cluster: Cluster

    def __post_init__(self) -> None:
        self.writer = self.cluster.writer()
        """The node that HAProxy leads those to who write; it stays that as long as it is up."""
        self.reader, _ = self.others = [node for node in self.cluster.nodes if node != self.writer]

    @property
    def haproxy(self) -> Container:
        """What can be done to HAProxy."""
        return Container(self.cluster.proxy)

    def come_back(self, *nodes: Node) -> None:
        """Start nodes again; return once all of the cluster belongs together."""
        for node in nodes:
            node.control.start()
        self.cluster.wait_until_whole()

    @contextmanager
    def cut_off(self, *nodes: Node) -> Iterator[None]:
        """Take nodes off the cluster's network during the block, each alone; all may still be reached."""
        for node in nodes:
            self.cluster.take_off(node)
        wait_for(lambda: all(node.has_left for node in nodes), "leave")
        yield
        for node in nodes:
            self.cluster.put_back(node)
        self.cluster.wait_until_whole()

    @contextmanager
    def locking(self, table: str, node: Node) -> Iterator[None]:
        """Somebody holds a lock on a table on one node during the block; the node cannot apply what others write."""
        tables = [f"{make_url(player.url).database}.{table} WRITE" for player in self.players]
        with node.connect() as connection:
            connection.cursor().execute(f"LOCK TABLES {', '.join(tables)}")
            yield

    def change_tables(self, *orders: str) -> None:
        """Give these orders in each stack's database; `{}` is its name."""
        for player in self.players:
            self.writer.ask(*(order.format(make_url(player.url).database) for order in orders))


def incident(**options: Any) -> Callable[[Callable[[ClusterScene], None]], Callable[[ClusterScene], None]]:
    """Put a function among the incidents of a cluster."""

    def enlist(play: Callable[[ClusterScene], None]) -> Callable[[ClusterScene], None]:
        made = told(play, **options)
        INCIDENTS[made.key] = made
        return play

    return enlist
