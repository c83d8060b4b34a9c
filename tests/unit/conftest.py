"""A server that echoes, the proxy of the fault tests before it, and engines as the application has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from steadypool import create_pool_engine
from steadypool.engine import Role
from testkit.echo import Echo
from testkit.proxy import Proxy
from tests.support.policies import POLICY as POLICY


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.stop()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo.port) as made:
        yield made


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Return an engine that keeps one connection, unless the policy says otherwise; on an empty SQLite file."""
    made: list[Engine] = []
    (tmp_path / "empty.sqlite3").touch()

    def make(role: Role = "reader", url: str = f"sqlite:///{tmp_path}/empty.sqlite3", **policy: object) -> Engine:
        chosen = replace(POLICY, **policy)
        made.append(create_pool_engine(url, chosen, role=role))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    return make_engine()
