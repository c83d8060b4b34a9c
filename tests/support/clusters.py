"""A cluster for the tests of a session: its nodes are cut off, and the last test of all kills one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from testkit.databases import Database
from testkit.galera import Cluster, Node, galera
from testkit.leaving_out import leave_out
from testkit.servers import MissingError, Server
from testkit.yard import wait_for

LEAVING_SECONDS = 30
"""A silent node is suspected after five seconds; this machine may be busy."""
NAME = "tried"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three nodes of MariaDB behind HAProxy, with an empty database."""
    with ExitStack() as closing:
        try:
            made = closing.enter_context(galera())
        except MissingError as error:
            leave_out("galera", error)
        made.nodes[0].ask(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")
        yield made


def on_port(cluster: Cluster, port: int) -> Database:
    """Return the database as it is reached there."""
    url = cluster.url(port, NAME)
    text = url.render_as_string(hide_password=False)
    return Database("mariadb118", text, text, Server("mariadb118", url))


def wait_until_it_refuses(node: Node) -> None:
    """Return once a node knows that it has lost its cluster."""
    wait_for(lambda: node.has_left, "leave", LEAVING_SECONDS)
