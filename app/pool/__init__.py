"""Connection engineering on SQLAlchemy's hooks; never imports Flask, so that any program can use it."""

from sqlalchemy import Engine, event

from app.pool import listening, sqlite
from app.pool.connecting import Connector
from app.pool.direct import Lookup
from app.pool.options import PoolPolicy, Role, engine_options
from app.pool.tls import shared_context
from app.pool.work import in_transaction, read

__all__ = ["Lookup", "PoolPolicy", "engine_options", "in_transaction", "read", "watch"]


def watch(engine: Engine, policy: PoolPolicy, *, role: Role) -> None:
    """Attach to an engine what its options alone cannot express, in the order in which it happens."""
    preferred = shared_context(False, policy.tls_ca) if policy.tls == "prefer" else None
    connector = Connector(engine, preferred=preferred, statement_seconds=policy.statement_seconds)
    # No listener of do_connect: the first that returns a connection is the last that is asked.
    engine.pool._creator = connector.create
    engine.dialect.connect = connector.reach  # type: ignore[method-assign]
    event.listen(engine, "connect", connector.introduce)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", sqlite.enforce_foreign_keys)
        for call in ("do_execute", "do_executemany", "do_execute_no_params"):
            event.listen(engine, call, sqlite.begin_statement)
        event.listen(engine, "commit", sqlite.begin_commit)
    if role == "migration":
        return  # nothing is lent
    # Events of the dialect; those of the connection cost a read 20 microseconds, so only who commits has one.
    event.listen(engine, "do_execute", listening.execute)
    event.listen(engine, "do_executemany", listening.execute_many)
    event.listen(engine, "do_execute_no_params", listening.execute_without_values)
    if role == "writer":
        event.listen(engine, "commit", listening.begin_commit)
    event.listen(engine, "handle_error", listening.hear_error)
    event.listen(engine, "close", listening.forget)
