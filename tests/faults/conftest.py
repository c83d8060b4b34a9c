"""The application behind a proxy, on servers that may be killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flask import Flask

from app import create_app
from config import load_settings
from testkit.databases import Database, migrate_and_seed
from testkit.fault_servers import FaultServer, seeded_database
from testkit.proxy import Proxy
from tests.conftest import dispose
from tests.faults import shelf
from tests.pool import library
from tests.support.breakable import only_what_is_new_is_looked_through

__all__ = ["only_what_is_new_is_looked_through"]


def fill(url: str) -> None:
    """Make the tables of the service and those that its clients ask for."""
    migrate_and_seed(url)
    library.fill(url)


@pytest.fixture(scope="session")
def seeded(fault_server: FaultServer) -> Iterator[Database]:
    """The service's tables and the library on the server, with a user of their own."""
    with seeded_database(fault_server, fill) as made:
        yield made


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
            app.register_blueprint(shelf.bp)
            closing.callback(dispose, app)
            return app

        yield make
        proxy.heal()


@pytest.fixture
def service(make_service: Callable[..., Flask]) -> Flask:
    """The application with its default settings."""
    return make_service()
