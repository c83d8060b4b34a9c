"""On which servers a test runs."""

from __future__ import annotations

import pytest

from testkit.fault_servers import Kind


def on(*kinds: Kind) -> pytest.MarkDecorator:
    """Run a test on these servers only."""
    return pytest.mark.parametrize("fault_server", kinds, indirect=True, ids=lambda kind: kind.value, scope="session")


everywhere = on(*Kind)
on_mysql_family = on(Kind.MARIADB, Kind.MARIADB118, Kind.MYSQL)
on_each_driver = on(Kind.MARIADB, Kind.POSTGRESQL)
"""What is about the network, a driver or our own clock is as true of one server as of another."""
on_mariadb, on_mariadb118 = on(Kind.MARIADB), on(Kind.MARIADB118)
on_mysql, on_postgresql = on(Kind.MYSQL), on(Kind.POSTGRESQL)

on_one_server = pytest.mark.parametrize("server", ["sqlite"], indirect=True, scope="session")
"""For what is decided before a database is asked: the kind of server does not matter."""
