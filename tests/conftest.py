"""What every test may ask for: servers, databases, the application on each of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import enumerate as enumerate_threads
from typing import TYPE_CHECKING

import pytest

from testkit import databases, servers
from testkit.databases import Database
from testkit.fleet import Fleet
from testkit.servers import Server
from testkit.waiting import eventually
from tests.support.breakable import breakable, fault_server, proxy, user
from tests.support.clusters import cluster
from tests.support.sharing import fleet, obtain_or_skip

if TYPE_CHECKING:  # those of the pool are run where there is neither
    from flask import Flask
    from flask.testing import FlaskClient

    from config import Settings

__all__ = ["breakable", "cluster", "fault_server", "obtain_or_skip", "proxy", "user"]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[fleet] = Fleet(servers.obtain, lambda server: server.stop(), len(servers.NAMES), "server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the service's tables while it has none: such tests come back with its first room."""
    if not (about_tables := [item for item in items if item.get_closest_marker("tables")]):
        return
    from app.schema import TABLES

    if not TABLES:
        config.hook.pytest_deselected(items=about_tables)
        items[:] = [item for item in items if item not in about_tables]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the chosen tests need, all at once, before the first of them runs."""
    if session.config.option.collectonly:
        return
    cases = [case for item in session.items if (case := getattr(item, "callspec", None))]
    for name in servers.NAMES:
        if any(name in case.params.values() for case in cases):
            session.config.stash[fleet].begin(name)
    session.config.stash[fleet].wait()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[fleet].stop()


@pytest.fixture(scope="session", params=servers.NAMES)
def server(request: pytest.FixtureRequest) -> Server:
    """Each kind of database server in turn."""
    return obtain_or_skip(request.config, request.param)


@pytest.fixture(scope="session")
def database(server: Server) -> Iterator[Database]:
    """A migrated and seeded database, shared by the tests that only read; of the service, whatever that has."""
    with databases.new_database(server) as made:
        databases.migrate_and_seed(made.url)
        yield made


@pytest.fixture
def empty_database(server: Server) -> Iterator[Database]:
    """A database without a table, for this test alone."""
    with databases.new_database(server) as made:
        yield made


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., Settings]:
    """Return settings from these values alone, as if they were the whole environment."""
    from config import load_settings

    return lambda **environ: load_settings({name: str(value) for name, value in environ.items()})


@pytest.fixture
def make_app(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Return an application with these settings; at the end of the test it stops looking for its database."""
    with applications(make_settings) as make:
        yield make


@pytest.fixture(scope="module")
def make_lasting_app(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Do the same for fixtures that all tests of a file share."""
    with applications(make_settings) as make:
        yield make


@pytest.fixture(scope="module", autouse=True)
def nobody_goes_on_probing() -> Iterator[None]:
    """A pool that still looked for its database would be in the way of later tests, which count threads and time."""
    yield
    assert eventually(lambda: not [thread for thread in enumerate_threads() if thread.name == "database-probe"], 15)


@pytest.fixture(autouse=True)
def nobody_writes_to_what_is_closed() -> Iterator[None]:
    """Who logs in a test that captures its output logs there; for later tests each line would be an error.

    An application gives a handler to the root, `echo` of SQLAlchemy one to each logger.
    """
    yield
    for logger in [logging.getLogger(), *map(logging.getLogger, logging.Logger.manager.loggerDict)]:
        for handler in list(logger.handlers):
            if isinstance(handler, logging.StreamHandler) and getattr(handler.stream, "closed", False):
                logger.removeHandler(handler)


@contextmanager
def applications(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Make applications that all end with the block; each has the address of tests/support/asking.py as well."""
    from app import create_app
    from tests.support import asking

    made: list[Flask] = []

    def make(**environ: str) -> Flask:
        made.append(create_app(make_settings(**environ)))
        made[-1].register_blueprint(asking.bp)
        return made[-1]

    yield make
    for app in made:
        dispose(app)


def dispose(app: Flask) -> None:
    """Close every connection of an application, as the end of its process would."""
    from app.extensions import db

    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture(scope="session")
def app(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """The application on each database in turn. For reading: others use the same data."""
    with applications(make_settings) as make:
        yield make(DATABASE_URL=database.url)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
