"""The pool of an engine, for what SQLAlchemy's do not have."""

from sqlalchemy import Engine

from steadypool import SteadyPool


def steady(engine: Engine) -> SteadyPool:
    assert isinstance(engine.pool, SteadyPool)
    return engine.pool
