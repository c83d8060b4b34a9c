"""Connection engineering on SQLAlchemy's hooks; never imports Flask, so that any program can use it."""

from sqlalchemy import Engine, event

from app.pool import listening
from app.pool.connecting import Connector
from app.pool.options import PoolPolicy, driver_of, engine_options
from app.pool.sqlite import enforce_foreign_keys, wait_within_deadline
from app.pool.work import in_transaction, read

__all__ = ["PoolPolicy", "engine_options", "in_transaction", "read", "watch"]


def watch(engine: Engine, policy: PoolPolicy) -> None:
    """Attach to an engine what its options alone cannot express, in the order in which it happens."""
    prefer_tls = driver_of(engine.url) == "pymysql" and policy.tls == "prefer"
    connector = Connector(prefer_tls=prefer_tls, statement_seconds=policy.statement_seconds)
    event.listen(engine, "do_connect", connector.connect)
    event.listen(engine, "connect", connector.introduce)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", enforce_foreign_keys)
        event.listen(engine, "before_cursor_execute", wait_within_deadline)
        event.listen(engine, "commit", wait_within_deadline)
    event.listen(engine, "engine_connect", listening.begin_connection)
    event.listen(engine, "before_cursor_execute", listening.begin_statement)
    event.listen(engine, "commit", listening.begin_commit)
    event.listen(engine, "after_cursor_execute", listening.end_statement)
    event.listen(engine, "handle_error", listening.hear_error)
    event.listen(engine, "close", listening.forget)
