"""What a server says of the connections that it allows, and of who has them; what is added up is in budget.py."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from app.operations.presence import Presence, read_presence

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


class Limit(NamedTuple):
    """How many connections may be open at once, by which rule, at which server, for which user or database of it."""

    where: str
    name: str
    connections: int


class Seen(NamedTuple):
    """What one database has told: what binds its user, and who is there; None where it does not know such tables."""

    user: str
    limits: list[Limit]
    there: Presence | None


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


def look(connection: Connection) -> Seen:
    """Return what binds this user, and who is there: two round trips, none to a file."""
    url, limits = connection.engine.url, read_limits(connection)
    if not has_limits(url):
        return Seen("", limits, None)
    try:
        there = read_presence(connection)
    except DBAPIError:  # what only speaks like these servers
        there = None
    return Seen(f"{server_of(url)} for {url.username}", limits, there)


def server_of(url: URL) -> str:
    """Return host and port, the same for all names of this machine."""
    host = "127.0.0.1" if url.host in (None, "localhost", "::1") else url.host
    return f"{host}:{url.port or DEFAULT_PORTS[url.get_backend_name()]}"
