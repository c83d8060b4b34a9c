"""On which servers a test runs, and what it takes of an application's pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine

from app.extensions import db
from steadypool.pool import SteadyPool
from testkit.fault_servers import Kind


def on(*kinds: Kind) -> pytest.MarkDecorator:
    """Run a test on these servers only."""
    return pytest.mark.parametrize("fault_server", kinds, indirect=True, ids=lambda kind: kind.value, scope="session")


everywhere = on(*Kind)
on_mysql_family = on(Kind.MARIADB, Kind.MARIADB118, Kind.MYSQL)
on_mariadb, on_mariadb118 = on(Kind.MARIADB), on(Kind.MARIADB118)
on_mysql, on_postgresql = on(Kind.MYSQL), on(Kind.POSTGRESQL)


def steady(engine: Engine) -> SteadyPool:
    """Return an engine's pool, which is ours."""
    assert isinstance(engine.pool, SteadyPool)
    return engine.pool


def reader(app: Flask) -> Engine:
    """Return the engine of an application that reads."""
    with app.app_context():
        return db.engines["reader"]


@contextmanager
def held(engine: Engine, number: int = 1) -> Iterator[list[Connection]]:
    """Hold so many connections of an engine during the block; at least so many are open afterwards."""
    with ExitStack() as stack:
        yield [stack.enter_context(engine.connect()) for _ in range(number)]
