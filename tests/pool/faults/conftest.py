"""A service behind a proxy, on servers that may be killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from steadypool import PoolPolicy
from testkit.databases import Database
from testkit.fault_servers import FaultServer, seeded_database
from testkit.proxy import Proxy
from tests.pool import library
from tests.pool.service import Service
from tests.support.breakable import only_what_is_new_is_looked_through
from tests.support.ledger import Witness, witness_of

__all__ = ["only_what_is_new_is_looked_through"]


@pytest.fixture(scope="session")
def seeded(fault_server: FaultServer) -> Iterator[Database]:
    """The library on the server, with a user of its own."""
    with seeded_database(fault_server, library.fill) as made:
        yield made


@pytest.fixture
def make_service(seeded: Database, proxy: Proxy) -> Iterator[Callable[..., Service]]:
    """Return a service on the library through the proxy; without TLS unless the policy says so."""
    with ExitStack() as closing:

        def make(driver: str | None = None, *, url: str = "", writer_size: int = 2, **policy: Any) -> Service:
            url = url or proxy.url(seeded.url)
            if driver:
                url = driver + url[url.index("://") :]
            made = Service(url, PoolPolicy(**{"tls": "off", **policy}), writer_size=writer_size)
            closing.callback(made.dispose)
            return made

        yield make
        proxy.heal()


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    """A service with the default policy."""
    return make_service()


@pytest.fixture
def witness(seeded: Database) -> Iterator[Witness]:
    """Who looks on the server itself at what was kept."""
    with witness_of(seeded) as made:
        yield made
