"""The pool of an engine, for what SQLAlchemy's do not have."""

from sqlalchemy import Engine

from steadypool import SteadyPool
from steadypool.core.connection import Hand, Use


def steady(engine: Engine) -> SteadyPool:
    assert isinstance(engine.pool, SteadyPool)
    return engine.pool


def a_use(*, waited: float, held: float = 0.001) -> Use:
    """Return a use that has come to its end."""
    use = Use(0.0, None, Hand())
    use.granted, use.ended = waited, waited + held
    return use
