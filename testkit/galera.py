"""A Galera cluster of three nodes of MariaDB behind HAProxy, in containers, on networks that can be cut.

The nodes talk to each other on one network and are reached on another: a node that is taken off the first has lost its
cluster, and still lets everybody in.
"""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql
from docker.models.containers import Container
from docker.models.networks import Network
from sqlalchemy import URL

from testkit import ROOT
from testkit.containers import MARIADB118_IMAGE
from testkit.containers import Container as Control
from testkit.processes import free_port
from testkit.servers import DRIVERS
from testkit.yard import Member, Yard, wait_for, yard

HAPROXY_IMAGE = "haproxy:3.2"
NODES = ("node1", "node2", "node3")
"""Their names on the network for all; on their own they have others, and meet nowhere else."""

OPTIONS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--innodb-buffer-pool-size=64M",
)

HAPROXY, START = ROOT / "deploy" / "haproxy" / "haproxy.cfg", ROOT / "deploy" / "galera" / "start"
"""What runs here is what users run."""


@dataclass(frozen=True)
class Node(Member):
    """One server of the cluster; `port` leads to it past HAProxy."""

    name: str
    inside: Container

    @property
    def control(self) -> Control:
        """What can be done to it; its data stays."""
        return Control(self.inside)

    def status(self, name: str) -> str:
        """Return one of the server's counters, "" while it does not answer."""
        return self._value(f"SHOW STATUS LIKE '{name}'")

    def variable(self, name: str) -> str:
        """Return one of the server's settings, "" while it does not answer."""
        return self._value(f"SHOW VARIABLES LIKE '{name}'")

    def _value(self, question: str) -> str:
        try:
            return str(self.ask(question)[0][1])
        except (pymysql.Error, IndexError):
            return ""

    @property
    def has_left(self) -> bool:
        """Whether it knows that it is outside the majority."""
        return self.status("wsrep_cluster_status") == "non-Primary"

    def forget(self) -> None:
        """Have it take what it has for nothing: when it comes back it is given all data anew."""
        self.inside.exec_run("rm -f /var/lib/mysql/grastate.dat /var/lib/mysql/gvwstate.dat")


@dataclass(frozen=True)
class Cluster:
    """The three nodes, and the ports of HAProxy for who writes and who reads."""

    nodes: list[Node]
    network: Network
    proxy: Container
    """HAProxy."""
    password: str
    writer_port: int
    reader_port: int

    def url(self, port: int, database: str | None = None) -> URL:
        """Return an address on one of the ports."""
        return URL.create(DRIVERS["mariadb"], "root", self.password, "127.0.0.1", port, database)

    @contextmanager
    def cut(self, node: Node) -> Iterator[None]:
        """Take a node off the network of the cluster during the block; it may still be reached."""
        self.take_off(node)
        try:
            yield
        finally:
            self.put_back(node)
            self.wait_until_whole()

    def take_off(self, node: Node) -> None:
        """Take a node off the network of the cluster."""
        self.network.disconnect(node.inside)

    def put_back(self, node: Node) -> None:
        """Put it on the network of the cluster again."""
        self.network.connect(node.inside, aliases=[_among_themselves(node.name)])

    def repair(self) -> None:
        """Let all nodes run and belong together, whatever was done to them."""
        self.network.reload()
        at_home = {container.id for container in self.network.containers}
        for node in self.nodes:
            node.control.thaw()
            if not node.control.is_running():
                node.control.start()
            elif node.inside.id not in at_home:
                self.put_back(node)
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Return once all three belong together and serve."""
        _wait_until_whole(self.nodes)

    def writer(self) -> Node:
        """Return the node that HAProxy leads those to who write, once it does."""
        name = self._behind(self.writer_port)
        return next(node for node in self.nodes if node.name == name)

    def wait_for_haproxy(self) -> None:
        """Return once HAProxy lets clients in on both ports."""
        for port in (self.writer_port, self.reader_port):
            self._behind(port)

    def wait_until_read(self, node: Node) -> None:
        """Return once HAProxy leads readers to a node."""
        wait_for(lambda: self._behind(self.reader_port) == node.name, "be read")

    def _behind(self, port: int) -> str:
        """Return the name of a node that HAProxy leads to there."""
        through, name = Node(self.password, port, "", self.proxy), ""

        def is_told() -> bool:
            nonlocal name
            name = through.variable("wsrep_node_name")
            return name != ""

        wait_for(is_told, "pass HAProxy")
        return name


@contextmanager
def galera() -> Iterator[Cluster]:
    """Yield a cluster that works; raise `MissingError` where none can be had."""
    with yard("galera") as made:
        yield _start(made)


def _start(yard: Yard) -> Cluster:
    password, inner = secrets.token_hex(8), yard.network("inner", internal=True)
    nodes = []
    for name in NODES:
        own, port = _among_themselves(name), free_port()
        made = yard.container(
            MARIADB118_IMAGE,
            name,
            {3306: port},
            entrypoint=["bash", f"/srv/{START.name}"],
            command=[*OPTIONS, f"--wsrep-node-name={name}"],
            environment={
                "MARIADB_ROOT_PASSWORD": password,
                "NODE": own,
                "NODES": " ".join(map(_among_themselves, NODES)),
            },
        )
        made.put_archive("/srv", _archive(START))
        inner.connect(made, aliases=[own])
        nodes.append(Node(password, port, name, made))
    for node in nodes:
        node.inside.start()
    _wait_until_whole(nodes)
    # Asked for only now: nobody else is to take them while the nodes find each other.
    writer_port, reader_port = free_port(), free_port()
    proxy = yard.container(HAPROXY_IMAGE, "haproxy", {3306: writer_port, 3307: reader_port})
    cluster = Cluster(nodes, inner, proxy, password, writer_port, reader_port)
    proxy.put_archive("/usr/local/etc/haproxy", _archive(HAPROXY))
    nodes[0].ask("CREATE USER haproxy")
    proxy.start()
    # The first that writes finds all of them, and so the first of them.
    seen = [f"Server {port}/{name} is UP".encode() for port in ("writer", "readers") for name in NODES]
    wait_for(lambda: all(line in proxy.logs() for line in seen), "be seen by HAProxy")
    return cluster


def _wait_until_whole(nodes: list[Node]) -> None:
    wait_for(lambda: all(node.status("wsrep_cluster_size") == str(len(NODES)) for node in nodes), "join")
    wait_for(lambda: all(node.status("wsrep_ready") == "ON" for node in nodes), "sync")


def _among_themselves(name: str) -> str:
    return f"inner-{name}"


def _archive(path: Path) -> bytes:
    with io.BytesIO() as made, path.open("rb") as file:
        with tarfile.open(fileobj=made, mode="w") as archive:
            entry = archive.gettarinfo(arcname=path.name, fileobj=file)
            entry.mode |= 0o444  # whoever runs there is somebody else
            archive.addfile(entry, file)
        return made.getvalue()
