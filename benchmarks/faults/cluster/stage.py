"""The stage of a cluster: all stacks go through the same HAProxy, each to a database of its own."""

from __future__ import annotations

import dataclasses
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL, make_url

from benchmarks.faults.cluster.outcome import ClusterOutcome, Kept, measure
from benchmarks.faults.cluster.scene import ClusterScene
from benchmarks.faults.cluster.witness import TABLES, Witness, watching
from benchmarks.faults.ground import copy_of
from benchmarks.faults.incidents import Incident, Player
from benchmarks.faults.outcome import Times
from benchmarks.faults.pace import Pace
from benchmarks.faults.routes import TABLES as ROUTES_TABLES
from benchmarks.faults.stage import Stage
from testkit.databases import administer, migrate_and_seed, new_database
from testkit.galera import Cluster, Node, galera
from testkit.servers import Server
from testkit.waiting import eventually

STACKS = ("flask-sqlalchemy-pre-ping", "persistent-db", "ours")
"""Those that are compared here."""
WRITERS = 4
"""So many of the sixteen clients write."""
SETTLING_SECONDS = 30


class ClusterStage(Stage[ClusterOutcome]):
    """A cluster, the database that is copied, and a folder for logs."""

    def __init__(self, cluster: Cluster, template: URL, folder: Path) -> None:
        super().__init__(folder)
        self.cluster, self.template = cluster, template

    def _perform(self, incident: Incident, keys: Sequence[str], pace: Pace) -> dict[str, ClusterOutcome]:
        order = self.cluster.nodes[0].ask
        with ExitStack() as stack:
            urls = [stack.enter_context(copy_of(self.template, secrets.token_hex(6), order)) for _ in keys]
            starters = stack.enter_context(ThreadPoolExecutor(len(keys)))  # must outlive what they start

            def enter(key: str, url: URL) -> Player:
                return stack.enter_context(self._enter(incident, key, url))

            try:
                cast = list(starters.map(enter, keys, urls))
                with watching(self.cluster.nodes) as witness:
                    times = self._watch(incident, cast, witness, pace)
            finally:
                self.cluster.repair()
            return {player.key: measure(player.audience.requests, times, self._kept(player)) for player in cast}

    @contextmanager
    def _enter(self, incident: Incident, key: str, url: URL) -> Iterator[Player]:
        """Start a stack; ours is told where to read besides, the peers are told where to write."""
        reader, writer = (
            url.set(port=port).render_as_string(hide_password=False)
            for port in (self.cluster.reader_port, self.cluster.writer_port)
        )
        if incident.writes_anywhere:
            writer = reader
        if key == "ours":
            player = self._player(incident, key, writer, writers=WRITERS, DATABASE_READ_URL=reader, DATABASE_TLS="off")
        else:
            player = self._player(incident, key, reader, writers=WRITERS, DATABASE_WRITER_URL=writer)
        with player as made:
            yield made

    def _watch(self, incident: Incident, cast: Sequence[Player], witness: Witness, pace: Pace) -> Times:
        time.sleep(pace.before)
        with ExitStack() as lasting:
            scene = ClusterScene(players=cast, seconds=pace.fault, lasting=lasting, cluster=self.cluster)
            times = self._happen(incident, scene, pace)
        for player in cast:
            player.instance.kill()
        return dataclasses.replace(
            times,
            outages=[*times.outages, *witness.gaps("read", times.opened, times.closed)],
            write_outages=[*times.write_outages, *witness.gaps("write", times.opened, times.closed)],
        )

    def _kept(self, player: Player) -> list[Kept]:
        """Return what each node has, once they have all of it or do not come to have the same."""
        database = str(make_url(player.url).database)

        def found() -> list[Kept]:
            return [_kept_by(node, database) for node in self.cluster.nodes]

        eventually(lambda: len({str(sorted(kept.nonces)) for kept in found()}) == 1, SETTLING_SECONDS)
        return found()


def _kept_by(node: Node, database: str) -> Kept:
    nonces = Counter(nonce for (nonce,) in node.ask(f"SELECT nonce FROM {database}.visit"))
    return Kept(nonces, tuple(count for (count,) in node.ask(f"SELECT visits FROM {database}.counter")))


@contextmanager
def new_cluster_stage() -> Iterator[ClusterStage]:
    """Yield a stage with a cluster of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="sakila-faults-") as folder,
        galera() as cluster,
        cluster_stage(cluster, Path(folder)) as stage,
    ):
        yield stage


@contextmanager
def cluster_stage(cluster: Cluster, folder: Path) -> Iterator[ClusterStage]:
    """Yield a stage on a cluster that is there."""
    first = cluster.nodes[0]
    with new_database(Server("mariadb118", first.url())) as made:
        migrate_and_seed(made.url)
        administer(made.url, *ROUTES_TABLES)
        first.ask(*TABLES)
        yield ClusterStage(cluster, make_url(made.url), folder)
        first.ask("DROP DATABASE witness")
