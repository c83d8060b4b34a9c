"""Connection engineering on SQLAlchemy's public hooks; never imports Flask, so that any program can use it."""

from sqlalchemy import Engine, event

from app.pool.options import PoolPolicy, driver_of, engine_options
from app.pool.sqlite import enforce_foreign_keys
from app.pool.tls import PreferTLS

__all__ = ["PoolPolicy", "engine_options", "watch"]


def watch(engine: Engine, policy: PoolPolicy) -> None:
    """Attach to an engine what its options alone cannot express."""
    if driver_of(engine.url) == "pymysql" and policy.tls == "prefer":
        event.listen(engine, "do_connect", PreferTLS().connect)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", enforce_foreign_keys)
