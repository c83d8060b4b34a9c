"""A server that echoes, and the proxy of the fault tests before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.echo import Echo
from tests.support.proxy import Proxy


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.stop()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo.port) as made:
        yield made
