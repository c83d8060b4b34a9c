"""Servers that may be killed, and the proxy before them: fixtures for tests of the pool and of the application.

`seeded` is what each of these has on them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from testkit.databases import Database
from testkit.fault_servers import FaultServer, Kind, obtain
from testkit.fleet import Fleet
from testkit.leaving_out import leave_out
from testkit.proxy import Proxy
from testkit.servers import MissingError


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new_is_looked_through() -> None:
    """Keep what thousands of tests have left away from the garbage collector, which would stop all for a second.

    What was kept away before stays so: to look it all through for each file takes longer than many a file's tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def breakable(request: pytest.FixtureRequest) -> Iterator[Fleet[Kind, FaultServer]]:
    """Start what the chosen tests need, all at once, with the first of them."""
    made = Fleet(obtain, FaultServer.remove, len(Kind), "fault-server")
    for item in request.session.items:
        case = getattr(item, "callspec", None)
        if kind := case and case.params.get("fault_server"):
            made.begin(kind)
    made.wait()
    yield made
    made.stop()


@pytest.fixture(scope="session", params=[Kind.MARIADB, Kind.MYSQL, Kind.POSTGRESQL], ids=lambda kind: kind.value)
def fault_server(request: pytest.FixtureRequest, breakable: Fleet[Kind, FaultServer]) -> FaultServer:
    """Each kind of server in turn, unless a test says on which.

    What is about the network and our own clock is as true of one MariaDB as of another: 11.8 is for tests `everywhere`
    and those `on_mysql_family`, in which the server's own behaviour decides.
    """
    try:
        return breakable.get(request.param)
    except MissingError as error:
        leave_out(request.param.value, error)


@pytest.fixture
def user(seeded: Database) -> str:
    """The user who owns the seeded database, to find its connections by."""
    name = make_url(seeded.url).username
    assert name
    return name


@pytest.fixture
def proxy(fault_server: FaultServer) -> Iterator[Proxy]:
    """A proxy before the server, for this test alone; afterwards the server runs, whatever was done to it."""
    with Proxy("127.0.0.1", fault_server.port, is_mysql=fault_server.is_mysql) as made:
        yield made
    fault_server.repair()
