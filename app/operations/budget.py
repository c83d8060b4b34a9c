"""The connection budget: whether the servers have room for all connections that all workers of all instances may open.

The sum is made for each limit: that of a server, of a user on it, of a database. Reader and writer share those of one
server and have each their own on two. `may_start` asks at start what POOL_BUDGET says about a server that is too small.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import structlog
from flask import Flask
from sqlalchemy import URL, Connection, text

from app.extensions import db
from config import Settings
from steadypool import deadline, start_thread

BOUND_SECONDS = 2.0
RESERVE = 5
"""Connections that are left for people, backups, probes and the commands."""

DEFAULT_PORTS = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432}

# The session's limit is the account's own (GRANT … MAX_USER_CONNECTIONS) where it has one; 0 is none.
_MYSQL = """
    SELECT @@GLOBAL.max_connections,
           CASE WHEN @@SESSION.max_user_connections > 0
                THEN @@SESSION.max_user_connections ELSE @@GLOBAL.max_user_connections END
"""
# Superusers may use the reserve and are bound by no limit of a role or a database; -1 is none.
# reserved_connections came with PostgreSQL 16.
_POSTGRESQL = """
    SELECT current_setting('max_connections')::int,
           CASE WHEN rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
                + coalesce(current_setting('reserved_connections', true)::int, 0) END,
           CASE WHEN rolsuper THEN -1 ELSE rolconnlimit END,
           CASE WHEN rolsuper THEN -1 ELSE datconnlimit END
    FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""

log = structlog.stdlib.get_logger(__name__)

Terms = tuple[tuple[str, int], ...]
"""The numbers that add up to what each worker may open, each with the setting it comes from."""


class Limit(NamedTuple):
    """How many connections may be open at once, by which rule, at which server, for which user or database of it."""

    where: str
    name: str
    connections: int


class Fleet(NamedTuple):
    """How many processes have pools: the workers of an instance, the instances, and those on top at the worst moment.

    That is a reload, in which an instance is there twice, or a rolling replacement: one or more at a time.
    """

    workers: int
    instances: int = 1
    surge: int = 1

    @classmethod
    def of(cls, settings: Settings, workers: int | None = None) -> Fleet:
        """Return what the settings say; Gunicorn may have been told of other workers."""
        return cls(workers or settings.workers, settings.instances, settings.instance_surge)

    @property
    def at_worst(self) -> str:
        """By what the connections of an instance are multiplied, in words."""
        alone = (self.instances, self.surge) == (1, 1)
        return "2 during a reload" if alone else f"(INSTANCES {self.instances} + INSTANCE_SURGE {self.surge})"


class Budget(NamedTuple):
    """One limit, all that may be opened under it at the worst moment, and how to make it fit, empty where it does."""

    limit: str
    needed: int
    allowed: int
    arithmetic: str
    remedy: str
    usually: int
    """What is needed as long as nobody reloads and nothing is replaced."""

    @property
    def fits_usually(self) -> bool:
        """True when the limit allows for that."""
        return self.usually <= self.allowed


def terms_of(settings: Settings) -> dict[str, Terms]:
    """Return what each worker may open for reading and for writing, by the settings."""
    if settings.pool_strategy == "request":
        return dict.fromkeys(("reader", "writer"), (("THREADS", settings.threads),))
    overflow = (("POOL_MAX_OVERFLOW", settings.pool_max_overflow),) if settings.pool_max_overflow else ()
    return {
        "reader": (("POOL_SIZE", settings.pool_size), *overflow),
        "writer": (("WRITER_POOL_SIZE", settings.writer_pool_size), *overflow),
    }


def has_limits(url: URL) -> bool:
    """Tell whether there is a server to ask; a SQLite file allows any number of connections."""
    return url.get_backend_name() in DEFAULT_PORTS


def read_limits(connection: Connection) -> list[Limit]:
    """Return what binds this user on this server: one round trip."""
    url = connection.engine.url
    if not has_limits(url):
        return []
    is_postgresql, server = connection.dialect.name == "postgresql", server_of(url)
    question = text(_POSTGRESQL if is_postgresql else _MYSQL).execution_options(leaves_no_trace=True)
    found = connection.execute(question).one()
    if not is_postgresql:
        most, user = map(int, found)
        limits = [
            Limit(server, "max_connections", most),
            Limit(f"{server} for {url.username}", "max_user_connections", user),
        ]
        return [limit for limit in limits if limit.connections > 0]
    most, reserved, role, database = found
    limits = [
        Limit(server, "max_connections" + " - superuser_reserved_connections" * bool(reserved), most - reserved),
        Limit(f"{server} for {url.username}", "CONNECTION LIMIT of the role", role),
        Limit(f"{server}/{url.database}", "CONNECTION LIMIT of the database", database),
    ]
    return [limit for limit in limits if limit.connections >= 0]


def server_of(url: URL) -> str:
    """Return host and port, the same for all names of this machine."""
    host = "127.0.0.1" if url.host in (None, "localhost", "::1") else url.host
    return f"{host}:{url.port or DEFAULT_PORTS[url.get_backend_name()]}"


def budgets(pools: Sequence[tuple[Terms, Iterable[Limit]]], fleet: Fleet) -> list[Budget]:
    """Return the sum for each limit that was read, tightest first; pools that meet the same limit are added up."""
    sums: dict[str, Terms] = {}
    for terms, limits in pools:
        for where in {limit.where for limit in limits}:
            known = sums.get(where, ())
            # A strategy without a pool opens one connection a thread, whichever engine it is for: the same term.
            sums[where] = known + tuple(term for term in terms if term[0] != "THREADS" or term not in known)
    distinct = dict.fromkeys(limit for _, limits in pools for limit in limits)
    made = [_budget(limit, fleet, sums[limit.where]) for limit in distinct]
    return sorted(made, key=lambda budget: budget.allowed - budget.needed)


def _budget(limit: Limit, fleet: Fleet, terms: Terms) -> Budget:
    each = fleet.workers * sum(number for _, number in terms)
    needed = (fleet.instances + fleet.surge) * each + RESERVE
    summands = " + ".join(f"{name} {number}" for name, number in terms)
    arithmetic = (
        f"{limit.where} allows {limit.connections} connections ({limit.name}) and "
        f"WORKERS {fleet.workers} x ({summands}) x {fleet.at_worst} + {RESERVE} in reserve = {needed}"
    )
    several = ["INSTANCES"] if fleet.instances > 1 else []
    *names, last = dict.fromkeys([*several, "WORKERS", *(name for name, _ in terms)])
    theirs, missing = limit.name.partition(" - ")[0], needed - limit.connections
    remedy = f"lower {', '.join(names)} or {last}, or raise {theirs} by {missing}" if missing > 0 else ""
    usually = fleet.instances * each + RESERVE
    return Budget(f"{limit.where} {limit.name}", needed, limit.connections, arithmetic, remedy, usually)


def may_start(app: Flask, workers: int) -> bool:
    """Tell whether POOL_BUDGET lets the server start, and log where it does not fit: two seconds at the most.

    A database that does not answer is no reason to refuse: the server is there to outlive that.
    """
    settings: Settings = app.extensions["settings"]
    if settings.pool_budget == "off" or not has_limits(settings.database_url):
        return True
    told: Future[list[Budget]] = Future()
    # A daemon: whatever the driver waits for, nobody else waits with it.
    start_thread("budget", _ask, app, settings, workers, told)
    try:
        made = told.result(BOUND_SECONDS)
    except Exception as error:
        reason = str(error) or f"no answer within {BOUND_SECONDS:g} s"
        log.warning("connection budget not checked", reason=reason.splitlines()[0])
        return True
    app.extensions["reporter"].budgets = [budget._asdict() for budget in made]
    exceeded = [budget for budget in made if budget.remedy]
    say = log.critical if settings.pool_budget == "refuse" else log.warning
    for budget in exceeded:
        say("connection budget exceeded", detail=f"{budget.arithmetic}; {budget.remedy}")
    return not exceeded or settings.pool_budget != "refuse"


def _ask(app: Flask, settings: Settings, workers: int, told: Future[list[Budget]]) -> None:
    try:
        with app.app_context(), deadline.within(BOUND_SECONDS):
            engines, limits = {"reader": db.engines["reader"], "writer": db.engine}, dict[URL, list[Limit]]()
            for engine in engines.values():
                if engine.url not in limits:
                    with engine.connect() as connection:
                        limits[engine.url] = read_limits(connection)
        pools = [(terms, limits[engines[role].url]) for role, terms in terms_of(settings).items()]
        told.set_result(budgets(pools, Fleet.of(settings, workers)))
    except Exception as error:
        told.set_exception(error)
