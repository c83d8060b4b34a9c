"""Connection engineering on SQLAlchemy's hooks; never imports Flask, so that any program can use it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Dialect, Engine, event

from steadypool import listening, sqlite
from steadypool.connecting import Connector
from steadypool.direct import Lookup
from steadypool.options import PoolPolicy, Role, engine_options
from steadypool.tls import shared_context
from steadypool.work import in_transaction, read

__all__ = ["Lookup", "PoolPolicy", "engine_options", "in_transaction", "read", "watch"]

EXECUTE = ("do_execute", "do_executemany", "do_execute_no_params")
ISOLATION = ("get_isolation_level", "set_isolation_level", "reset_isolation_level")


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
        _wrap(engine.dialect, sqlite.waiting, *EXECUTE, "do_commit")
    if role == "migration":
        return  # nothing is lent
    # In the dialect, behind the events for these calls: whoever listens hears all, and has their way.
    _wrap(engine.dialect, listening.watched, *EXECUTE)
    _wrap(engine.dialect, partial(listening.ended, engine.dialect, keeps=True), "do_commit")
    _wrap(engine.dialect, partial(listening.ended, engine.dialect, keeps=False), "do_rollback")
    _wrap(engine.dialect, partial(listening.asked, engine), *ISOLATION)
    event.listen(engine, "handle_error", listening.hear_error)
    event.listen(engine, "close", listening.forget)


def _wrap(dialect: Dialect, around: Callable[[Callable[..., Any]], Callable[..., Any]], *names: str) -> None:
    """Put something around methods of this one dialect, which belongs to one engine."""
    for name in names:
        setattr(dialect, name, around(getattr(dialect, name)))
