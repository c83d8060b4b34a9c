"""Whether the servers have room for all connections that the workers may open; it reads their limits and opens none.

The sum is made for each limit: that of a server, of a user on it, of a database. Reader and writer share those of one
server and have each their own on two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import URL, Connection, Executable, text

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


@dataclass(frozen=True)
class Pool:
    """What each worker may open at one address: the numbers that add up, each with the setting it comes from."""

    url: URL
    terms: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Limit:
    """How many connections may be open at once, by which rule, and who shares them."""

    name: str
    connections: int
    shared_by: Literal["server", "user", "database"]


@dataclass(frozen=True)
class Budget:
    """One limit, and all that may be opened under it."""

    where: str
    limit: Limit
    workers: int
    terms: tuple[tuple[str, int], ...]

    @property
    def needed(self) -> int:
        """Connections at the worst moment: during a reload, when old and new workers live side by side."""
        return 2 * self._of_all_workers + RESERVE

    @property
    def fits(self) -> bool:
        """True when the limit allows for the worst moment."""
        return self.needed <= self.limit.connections

    @property
    def fits_without_reload(self) -> bool:
        """True when the limit allows for what is needed as long as nobody reloads."""
        return self._of_all_workers + RESERVE <= self.limit.connections

    @property
    def arithmetic(self) -> str:
        """The limit and the sum, with the name of each number's setting."""
        terms = " + ".join(f"{name} {number}" for name, number in self.terms)
        return (
            f"{self.where} allows {self.limit.connections} connections ({self.limit.name}) and "
            f"WORKERS {self.workers} x ({terms}) x 2 during a reload + {RESERVE} in reserve = {self.needed}"
        )

    @property
    def remedy(self) -> str:
        """Which setting to turn, ours or the server's."""
        names = list(dict.fromkeys(["WORKERS", *(name for name, _ in self.terms)]))
        theirs = self.limit.name.partition(" - ")[0]
        missing = self.needed - self.limit.connections
        return f"lower {', '.join(names[:-1])} or {names[-1]}, or raise {theirs} by {missing}"

    def __str__(self) -> str:
        return f"{self.arithmetic}; {self.remedy}"

    @property
    def _of_all_workers(self) -> int:
        return self.workers * sum(number for _, number in self.terms)


def has_limits(url: URL) -> bool:
    """Tell whether there is a server to ask; a SQLite file allows any number of connections."""
    return url.get_backend_name() in DEFAULT_PORTS


def read_limits(connection: Connection) -> list[Limit]:
    """Return what binds this user on this server: one round trip."""
    if not has_limits(connection.engine.url):
        return []
    if connection.dialect.name == "postgresql":
        most, reserved, role, database = connection.execute(_plain(_POSTGRESQL)).one()
        name = "max_connections - superuser_reserved_connections" if reserved else "max_connections"
        limits = [
            Limit(name, most - reserved, "server"),
            Limit("CONNECTION LIMIT of the role", role, "user"),
            Limit("CONNECTION LIMIT of the database", database, "database"),
        ]
        return [limit for limit in limits if limit.connections >= 0]
    most, user = connection.execute(_plain(_MYSQL)).one()
    limits = [Limit("max_connections", int(most), "server"), Limit("max_user_connections", int(user), "user")]
    return [limit for limit in limits if limit.connections > 0]


def _plain(select: str) -> Executable:
    return text(select).execution_options(leaves_no_trace=True)


def budgets(pools: Sequence[tuple[Pool, Iterable[Limit]]], workers: int) -> list[Budget]:
    """Return the sum for each limit that was read, tightest first; pools that share a limit are added up."""
    found: dict[tuple[str, str], Budget] = {}
    for pool, limits in pools:
        for limit in limits:
            where = _where(pool.url, limit)
            sharing = [other for other, _ in pools if has_limits(other.url) and _where(other.url, limit) == where]
            # A strategy without a pool opens one connection a thread, whichever engine it is for: the same term.
            terms = _added_up(sharing)
            found.setdefault((where, limit.name), Budget(where, limit, workers, terms))
    return sorted(found.values(), key=lambda budget: budget.limit.connections - budget.needed)


def _added_up(pools: Iterable[Pool]) -> tuple[tuple[str, int], ...]:
    terms: list[tuple[str, int]] = []
    for pool in pools:
        terms += [term for term in pool.terms if term[0] != "THREADS" or term not in terms]
    return tuple(terms)


def _where(url: URL, limit: Limit) -> str:
    host = url.host or "localhost"
    host = "127.0.0.1" if host in ("localhost", "::1") else host
    server = f"{host}:{url.port or DEFAULT_PORTS[url.get_backend_name()]}"
    if limit.shared_by == "user":
        return f"{server} for {url.username}"
    return f"{server}/{url.database}" if limit.shared_by == "database" else server
