"""The pool of an engine, for what SQLAlchemy's do not have."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, Engine

from steadypool import SteadyPool
from steadypool.core.connection import Hand, Use


def steady(engine: Engine) -> SteadyPool:
    assert isinstance(engine.pool, SteadyPool)
    return engine.pool


@contextmanager
def held(engine: Engine, number: int = 1) -> Iterator[list[Connection]]:
    """Hold so many connections of an engine during the block; at least so many are open afterwards."""
    with ExitStack() as stack:
        yield [stack.enter_context(engine.connect()) for _ in range(number)]


def a_use(*, waited: float, held: float = 0.001) -> Use:
    """Return a use that has come to its end."""
    use = Use(0.0, None, Hand())
    use.granted, use.ended = waited, waited + held
    return use
