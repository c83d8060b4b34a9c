"""The one way in: an engine whose connections are kept as a policy says."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from sqlalchemy import URL, Dialect, Engine, NullPool, create_engine, event, make_url

from steadypool import events, sqlite
from steadypool.connecting import CONNECT_TIMEOUT_SECONDS, Connector
from steadypool.policy import PoolPolicy
from steadypool.pool import Borrower, SteadyPool
from steadypool.tls import shared_context, tls_arguments

Role = Literal["reader", "writer", "migration"]

READ_TIMEOUT_SECONDS = 30
"""How long mysqlclient waits for each piece of an answer where no deadline is set, as in commands.

A migration may rebuild a table for hours and is watched by the person who typed it.
"""

EXECUTE = ("do_execute", "do_executemany", "do_execute_no_params")
ISOLATION = ("get_isolation_level", "set_isolation_level", "reset_isolation_level")


def create_pool_engine(
    url: URL | str,
    policy: PoolPolicy = PoolPolicy(),  # noqa: B008 -- it is frozen
    *,
    role: Role = "writer",
    borrower: Borrower = dict,
    **options: Any,
) -> Engine:
    """Return an engine on this URL; nothing connects yet.

    A `writer` works in transactions; a `reader` in autocommit, one command a read; a `migration` keeps nothing and is
    under no time limit. What `borrower` returns goes into log lines about a connection that is held for too long.
    `options` are those of `sqlalchemy.create_engine`. Raises ValueError where one of them says otherwise than the
    policy.
    """
    url = make_url(url)
    if url.get_backend_name() == "sqlite" and role != "migration":
        url = sqlite.existing_file(url)
    connect_args = connect_arguments(url, policy, role) | dict(options.pop("connect_args", {}))
    kept = {"poolclass": NullPool} if role == "migration" else _pool_options(policy, borrower)
    engine = create_engine(url, connect_args=connect_args, **_transaction_options(role), **_merged(kept, options))
    _watch(engine, policy, role)
    return engine


def _pool_options(policy: PoolPolicy, borrower: Borrower) -> dict[str, Any]:
    # Whoever began a transaction ends it, and what was used in any other way is closed. A ROLLBACK to be sure would be
    # one more round trip, and might be sent by the garbage collector, in a thread that must not wait.
    ours = {"poolclass": SteadyPool, "pool_reset_on_return": None, "policy": policy, "borrower": borrower}
    return policy.engine_options() | ours


def _merged(kept: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    for name in kept.keys() & options.keys():
        if kept[name] != options[name]:
            raise ValueError(f"{name}={options[name]!r} is given, but the policy says {kept[name]!r}")
    # Values are what people typed; they do not belong in a log.
    return {"hide_parameters": True, **options, **kept}


def _transaction_options(role: Role) -> dict[str, Any]:
    if role != "reader":
        return {}
    # A lone SELECT is its own transaction. Without the second option each read would still pay for a ROLLBACK.
    return {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}


def connect_arguments(url: URL, policy: PoolPolicy, role: Role) -> dict[str, Any]:
    """Return what this driver's `connect` is told."""
    driver = url.get_driver_name()
    tls = tls_arguments(driver, policy.tls, policy.tls_ca)
    read_timeout = None if role == "migration" else max(READ_TIMEOUT_SECONDS, math.ceil(policy.deadline_seconds))
    match driver:
        case "pymysql":
            # Without time-outs of its own, for which Python would ask the kernel once more before each piece that it
            # sends or reads: the watchdog has the same. `autocommit` said here saves a SET when connecting.
            return {"autocommit": role == "reader", "connect_timeout": CONNECT_TIMEOUT_SECONDS, **tls}
        case "mysqldb":
            timeouts = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "read_timeout": read_timeout or 0}
            return {"charset": "utf8mb4", "autocommit": role == "reader", **timeouts, **tls}
        case "mysqlconnector":
            # The extension in C wants to be built against the server's own library; the pure one runs everywhere.
            # It shows no socket to the watchdog: a silent server is left after so long for each piece of an answer.
            silence = None if role == "migration" else math.ceil(policy.deadline_seconds)
            limits: dict[str, int | None] = {
                "connection_timeout": CONNECT_TIMEOUT_SECONDS,
                "read_timeout": silence,
                "write_timeout": silence,
            }
            return {"use_pure": True, **limits, **tls}
        case "psycopg":
            limit = f"{url.query.get('options', '')} -c statement_timeout={policy.statement_seconds * 1000:.0f}"
            options = {} if role == "migration" else {"options": limit.strip()}
            # A statement that is prepared on its sixth run costs one more round trip, and fails behind PgBouncer.
            session: dict[str, Any] = {"prepare_threshold": None, **options}
            # Otherwise that of the database, which may lack a character that somebody asks for: the driver would fail.
            session["client_encoding"] = "utf8"
            return {"connect_timeout": CONNECT_TIMEOUT_SECONDS, **session, **tls}
    return {"timeout": CONNECT_TIMEOUT_SECONDS}


def _watch(engine: Engine, policy: PoolPolicy, role: Role) -> None:
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
    _wrap(engine.dialect, events.watched, *EXECUTE)
    _wrap(engine.dialect, partial(events.ended, engine.dialect, keeps=True), "do_commit")
    _wrap(engine.dialect, partial(events.ended, engine.dialect, keeps=False), "do_rollback")
    _wrap(engine.dialect, partial(events.asked, engine), *ISOLATION)
    event.listen(engine, "handle_error", events.hear_error)
    event.listen(engine, "close", events.forget)


def _wrap(dialect: Dialect, around: Callable[[Callable[..., Any]], Callable[..., Any]], *names: str) -> None:
    """Put something around methods of this one dialect, which belongs to one engine."""
    for name in names:
        setattr(dialect, name, around(getattr(dialect, name)))
