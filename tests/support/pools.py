"""The pool of an engine, for what SQLAlchemy's do not have."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, Engine

from steadypool import SteadyPool


def steady(engine: Engine) -> SteadyPool:
    assert isinstance(engine.pool, SteadyPool)
    return engine.pool


@contextmanager
def held(engine: Engine, number: int = 1) -> Iterator[list[Connection]]:
    """Hold so many connections of an engine during the block; at least so many are open afterwards."""
    with ExitStack() as stack:
        yield [stack.enter_context(engine.connect()) for _ in range(number)]
