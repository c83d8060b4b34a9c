"""A server that echoes, the proxy of the fault tests before it, and an engine as the application has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testkit.echo import Echo
from testkit.proxy import Proxy
from tests.pool.conftest import make_engine as make_engine


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.stop()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo.port) as made:
        yield made
