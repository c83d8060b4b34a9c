"""Servers that may be killed, the proxy before them, and the application behind both."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack

import pytest
from flask import Flask
from sqlalchemy import make_url

from app import create_app
from config import load_settings
from testkit.databases import Database
from testkit.fault_servers import FaultServer, Kind, obtain, seeded_database
from testkit.leaving_out import leave_out
from testkit.proxy import Proxy
from testkit.servers import MissingError
from tests.conftest import dispose


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new_is_looked_through() -> None:
    """Keep what thousands of tests have left away from the garbage collector, which would stop all for a second."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Fleet:
    """The servers of this session, each started once, in the background; other tests have others."""

    def __init__(self) -> None:
        # The threads live as long as the session: the kernel ends a server with the *thread* that started it.
        self._threads = ThreadPoolExecutor(len(Kind), "fault-server")
        self._servers: dict[Kind, Future[FaultServer]] = {}
        atexit.register(self.stop)

    def begin(self, kind: Kind) -> Future[FaultServer]:
        if kind not in self._servers:
            self._servers[kind] = self._threads.submit(obtain, kind)
        return self._servers[kind]

    def wait(self) -> None:
        """Return when each has started or failed: as in the root's conftest.py, pytest changes os.environ meanwhile."""
        wait(self._servers.values())

    def stop(self) -> None:
        while self._servers:
            _, server = self._servers.popitem()
            if not server.cancel() and not server.exception():
                server.result().remove()
        self._threads.shutdown()


@pytest.fixture(scope="session")
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Start what the chosen tests need, all at once, with the first of them."""
    made = Fleet()
    for item in request.session.items:
        case = getattr(item, "callspec", None)
        if kind := case and case.params.get("fault_server"):
            made.begin(kind)
    made.wait()
    yield made
    made.stop()


@pytest.fixture(scope="session", params=[Kind.MARIADB, Kind.MYSQL, Kind.POSTGRESQL], ids=lambda kind: kind.value)
def fault_server(request: pytest.FixtureRequest, fleet: Fleet) -> FaultServer:
    """Each kind of server in turn, unless a test says on which.

    What is about the network and our own clock is as true of one MariaDB as of another: 11.8 is for tests `everywhere`
    and those `on_mysql_family`, in which the server's own behaviour decides.
    """
    try:
        return fleet.begin(request.param).result()
    except MissingError as error:
        leave_out(request.param.value, error)


@pytest.fixture(scope="session")
def seeded(fault_server: FaultServer) -> Iterator[Database]:
    """Sakila on the server, with a user of its own."""
    with seeded_database(fault_server) as made:
        yield made


@pytest.fixture
def user(seeded: Database) -> str:
    """The user as whom the application connects, to find its connections by."""
    name = make_url(seeded.url).username
    assert name
    return name


@pytest.fixture
def proxy(fault_server: FaultServer) -> Iterator[Proxy]:
    """A proxy before the server, for this test alone; afterwards the server runs, whatever was done to it."""
    with Proxy("127.0.0.1", fault_server.port, is_mysql=fault_server.is_mysql) as made:
        yield made
    fault_server.repair()


@pytest.fixture
def make_service(seeded: Database, proxy: Proxy) -> Iterator[Callable[..., Flask]]:
    """Return the application on the seeded database through the proxy; without TLS unless the settings say so."""
    with ExitStack() as closing:

        def make(driver: str | None = None, **settings: object) -> Flask:
            url = proxy.url(seeded.url)
            if driver:
                url = driver + url[url.index("://") :]
            environ = {"DATABASE_URL": url, "DATABASE_TLS": "off", "ACCESS_LOG": "off", **settings}
            app = create_app(load_settings({name: str(value) for name, value in environ.items()}))
            closing.callback(dispose, app)
            return app

        yield make
        proxy.heal()


@pytest.fixture
def service(make_service: Callable[..., Flask]) -> Flask:
    """The application with its default settings."""
    return make_service()
