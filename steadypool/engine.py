"""The one way in: an engine whose connections are kept as a policy says."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_args
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import URL, Dialect, Engine, NullPool, event, make_url

from steadypool import events
from steadypool.connecting import Connector
from steadypool.core.policy import PoolPolicy
from steadypool.drivers import Role, driver_named, sqlite
from steadypool.login import Login
from steadypool.pool import Holder, SteadyPool

EXECUTE = ("do_execute", "do_executemany", "do_execute_no_params")
ISOLATION = ("get_isolation_level", "set_isolation_level", "reset_isolation_level")


def create_pool_engine(
    url: URL | str,
    policy: PoolPolicy = PoolPolicy(),  # noqa: B008 -- it is frozen
    *,
    role: Role = "writer",
    holder: Holder = dict,
    **options: Any,
) -> Engine:
    """Return an engine on this URL; nothing connects yet.

    A `writer` works in transactions; a `reader` in autocommit, one command a read; a `migration` keeps nothing and is
    under no time limit. What `holder` returns goes into log lines about a connection that is held for too long.
    `options` are those of `sqlalchemy.create_engine`; what the URL and, above it, `connect_args` say has the last word
    with the driver. Raises ValueError where something says otherwise than the policy or the role.
    """
    _refuse_nonsense(policy, role, options)
    url = make_url(url)
    if url.get_backend_name() == "sqlite" and role != "migration":
        url = existing_file(url)
    driver = driver_named(url.get_backend_name(), url.get_driver_name())(policy, role)
    creator: Any = options.get("creator")
    theirs = options.pop("connect_args", None) or {}
    connect_args = {**theirs, **driver.arguments({**url.query, **theirs})}
    said = policy.engine_options() | _pool_options(role) | _transaction_options(role)
    _refuse_other_opinions(said, options)
    if role == "migration":
        options = {name: value for name, value in options.items() if name not in policy.engine_options()}
        ours = _pool_options(role)
    else:
        ours = said | {"policy": policy, "driver": driver, "holder": holder}
    # Values are what people typed; they do not belong in a log.
    options = {"hide_parameters": True, "connect_args": connect_args} | options | ours
    # By the name that instrumentation puts its own in the place of.
    engine = sqlalchemy.create_engine(url, **options)
    login = Login(engine, policy.credentials) if policy.credentials else None
    _watch(engine, Connector(engine, driver, connect_args, creator, login), role)
    if login:
        event.listen(engine, "do_connect", login)
    return engine


def _refuse_nonsense(policy: PoolPolicy, role: Role, options: Mapping[str, Any]) -> None:
    if role not in get_args(Role):
        raise ValueError(f"role must be one of {', '.join(get_args(Role))}, not {role!r}")
    if "pool" in options:
        raise ValueError("pool is given, but this makes an engine's pool; for one of your own take create_engine")
    if options.get("creator") and policy.credentials:
        raise ValueError("creator is given, and credentials: whoever makes the connections says as whom")


def existing_file(url: URL) -> URL:
    """Return the URL that opens the file but never creates it: a mistyped path is an error, not an empty database.

    What is a URI of SQLite's already says itself how it is opened.
    """
    if (url.database or "").startswith("file:"):
        return url
    return url.set(database=f"file:{quote(url.database or '')}", query={"mode": "rw", **url.query, "uri": "true"})


def _refuse_other_opinions(said: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    for name in said.keys() & options.keys():
        if said[name] != options[name]:
            raise ValueError(f"{name}={options[name]!r} is given, but policy and role say {said[name]!r}")


def _pool_options(role: Role) -> dict[str, Any]:
    if role == "migration":
        return {"poolclass": NullPool}
    # Whoever began a transaction ends it, and what was used in any other way is closed. A ROLLBACK to be sure would be
    # one more round trip, and might be sent by the garbage collector, in a thread that must not wait.
    return {"poolclass": SteadyPool, "pool_reset_on_return": None}


def _transaction_options(role: Role) -> dict[str, Any]:
    if role != "reader":
        return {}
    # A lone SELECT is its own transaction. Without the second option each read would still pay for a ROLLBACK.
    return {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}


def _watch(engine: Engine, connector: Connector, role: Role) -> None:
    """Attach to an engine what its options alone cannot express, in the order in which it happens."""
    # No listener of do_connect: the first that returns a connection is the last that is asked.
    engine.pool._creator = connector.create  # type: ignore[assignment] # the setter takes it
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
    if role == "reader":
        _wrap(engine.dialect, partial(events.watched_isolation, engine), "set_isolation_level")
    event.listen(engine, "handle_error", events.hear_error)
    engine._connection_cls, engine._option_cls = events.WatchedConnection, events.WatchedOptionEngine


def _wrap(dialect: Dialect, around: Callable[[Callable[..., Any]], Callable[..., Any]], *names: str) -> None:
    """Put something around methods of this one dialect, which belongs to one engine."""
    for name in names:
        setattr(dialect, name, around(getattr(dialect, name)))
