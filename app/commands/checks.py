"""What `flask doctor` asks each database, and what it thinks of the answers. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import URL, Connection, bindparam, text
from sqlalchemy.exc import DBAPIError

from app.commands.indexes import columns_read, index_of
from app.schema import INDEXES, KEPT_ANSWERS, MAIN, TABLES, columns_of, refuse_hidden, schema_state
from config import Settings
from steadypool import Role, is_denied

Level = Literal["ok", "not checked", "warning", "problem"]

CHANGES = ("INSERT", "UPDATE", "DELETE")
# EXPLAIN asks for the rights of the statement that it explains, and executes nothing (both servers' manuals).
EXPLAINED = {
    "SELECT": "EXPLAIN SELECT {columns} FROM {table}",
    "INSERT": "EXPLAIN INSERT INTO {table} ({key}) VALUES (0)",
    "UPDATE": "EXPLAIN UPDATE {table} SET {key} = {key} WHERE {key} = 0",
    "DELETE": "EXPLAIN DELETE FROM {table} WHERE {key} = 0",
}
NO_SUCH_TABLE = 1146
READ_ONLY = {1290, 1792, 1836}
"""Errors of MySQL and MariaDB: no such table, read-only server or transaction (their error references)."""

SQLITE_BUSY, SQLITE_READONLY = 5, 8


@dataclass(frozen=True)
class Finding:
    """What one line says: how it is, in words, and what to do about it unless it is ok."""

    level: Level
    text: str
    remedy: str = ""


def _no_table(table: str) -> Finding:
    return Finding("not checked", f"there is no table {table} that this user may see")


def check_tls(connection: Connection, settings: Settings, role: Role) -> Finding:
    """Compare what encrypts this connection with what DATABASE_TLS wishes for."""
    url, wish = connection.engine.url, settings.database_tls
    if url.get_backend_name() == "sqlite":
        return Finding("ok", "a file, nothing to encrypt")
    if url.get_backend_name() == "postgresql":
        cipher = connection.scalar(text("SELECT cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    else:
        cipher = connection.execute(text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()[1]
    return judge_tls(str(cipher or ""), wish, is_local(url))


def judge_tls(cipher: str, wish: str, local: bool) -> Finding:
    """Return what to think of a connection with this cipher, "" for none."""
    said = f"{cipher or 'not encrypted'}, DATABASE_TLS={wish}"
    if cipher:
        return Finding("ok", said)
    if wish in ("require", "verify"):
        return Finding("problem", said, "the driver did not do as it was told; report this")
    if local:
        return Finding("ok", f"{said}, on this machine")
    return Finding("warning", f"{said}, over a network", "give the server a certificate and set DATABASE_TLS=verify")


def is_local(url: URL) -> bool:
    """Tell whether the server is on this machine, by its address."""
    host = url.host or "localhost"
    return host in ("localhost", "::1") or host.startswith(("127.", "/"))


def check_privileges(connection: Connection, settings: Settings, role: Role) -> Finding:
    """Find out whether the reader may SELECT and the writer may change rows."""
    if not TABLES:
        return Finding("ok", "no tables are wanted")
    rights = ("SELECT",) if role == "reader" else CHANGES
    match connection.engine.url.get_backend_name():
        case "sqlite":
            return _sqlite_privileges(connection, role)
        case "postgresql":
            return _postgresql_privileges(connection, role, rights)
    return _mysql_privileges(connection, role, rights)


def _sqlite_privileges(connection: Connection, role: Role) -> Finding:
    if role == "reader":
        return Finding("ok", "may SELECT")
    if not columns_of(connection, MAIN):
        return _no_table(MAIN)
    try:
        # Takes the right to write and writes nothing.
        connection.execute(text(f"DELETE FROM {MAIN} WHERE 1 = 0"))  # noqa: S608 - the name is ours
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code == SQLITE_READONLY:
            return _read_only("remove mode=ro from DATABASE_URL, or make the file and its folder writable")
        if code == SQLITE_BUSY:
            return Finding("warning", "another process is writing; whether we may was not found out", "try again")
        raise
    return Finding("ok", "may write the file")


def _mysql_privileges(connection: Connection, role: Role, rights: tuple[str, ...]) -> Finding:
    denied: list[str] = []
    for table, key in _tables_of(connection, role).items():
        names = {"table": table, "key": key, "columns": ", ".join(columns_read(table))}
        for right in rights:
            try:
                connection.execute(text(EXPLAINED[right].format_map(names)))
            except DBAPIError as error:
                code = getattr(error.orig, "args", (0,))[0]
                if code in READ_ONLY:
                    return _read_only()
                if code == NO_SUCH_TABLE:
                    return _no_table(table)
                if not is_denied(error):
                    raise
                denied.append(f"{right} ON {table}")
    return judge_privileges(role, rights, denied)


def _postgresql_privileges(connection: Connection, role: Role, rights: tuple[str, ...]) -> Finding:
    if role == "writer" and connection.scalar(text("SHOW transaction_read_only")) == "on":
        return _read_only()
    tables = _tables_of(connection, role)
    for table in tables:
        if connection.scalar(text("SELECT to_regclass(:table)"), {"table": table}) is None:
            return _no_table(table)
    denied = [f"{right} ON {table}" for table in tables for right in rights if not _may(connection, right, table)]
    return judge_privileges(role, rights, denied)


def _tables_of(connection: Connection, role: Role) -> dict[str, str]:
    """Return the tables that an engine works on; a Sakila of somebody else is only read, so no answers are kept."""
    is_ours = role == "writer" and schema_state(connection) in ("current", "newer")
    return TABLES | KEPT_ANSWERS if is_ours else TABLES


def _may(connection: Connection, right: str, table: str) -> bool:
    if right != "SELECT":
        return bool(connection.scalar(text("SELECT has_table_privilege(:t, :r)"), {"t": table, "r": right}))
    ask = text("SELECT has_column_privilege(:table, :column, 'SELECT')")
    return all(connection.scalar(ask, {"table": table, "column": column}) for column in columns_read(table))


def judge_privileges(role: Role, rights: tuple[str, ...], denied: list[str]) -> Finding:
    """Return what to think of a user to whom this was denied; tables that are only read need no more than SELECT."""
    if not denied:
        return Finding("ok", f"may {', '.join(rights)}")
    told = ", ".join(denied)
    level: Level = "problem" if role == "reader" else "warning"
    return Finding(level, f"may not {told}", f"GRANT {told} to the {role}'s user")


def _read_only(remedy: str = "point DATABASE_URL at the primary server; this may be a replica") -> Finding:
    return Finding("problem", "is read-only", remedy)


def check_charset(connection: Connection, settings: Settings, role: Role) -> Finding:
    """Find out whether every name can pass the connection and be kept in the tables."""
    match connection.engine.url.get_backend_name():
        case "sqlite":
            return Finding("ok", str(connection.scalar(text("PRAGMA encoding"))))
        case "postgresql":
            used = {connection.scalar(text(f"SHOW {name}")) for name in ("client_encoding", "server_encoding")}
            return judge_charset(used - {"UTF8"}, set(), "UTF8", "CREATE DATABASE … ENCODING 'UTF8'")
    ask = text("SELECT @@character_set_client, @@character_set_connection, @@character_set_results")
    used = set(connection.execute(ask).one())
    tables = text(
        "SELECT table_name, character_set_name FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name IN :tables AND character_set_name <> 'utf8mb4'"
    ).bindparams(bindparam("tables", list(TABLES), expanding=True))
    foreign = {f"{table} is in {charset}" for table, charset in connection.execute(tables)}
    return judge_charset(used - {"utf8mb4"}, foreign, "utf8mb4", "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4")


def judge_charset(astray: set[str | None], tables: set[str], wanted: str, remedy: str) -> Finding:
    """Return what to think of a connection with these other character sets, and of such tables."""
    if astray:
        used = ", ".join(sorted(map(str, astray)))
        return Finding("problem", f"{used}, not {wanted}", f"remove it from DATABASE_URL, or {remedy}")
    if tables:
        return Finding("warning", f"{', '.join(sorted(tables))}, not {wanted}: some names cannot be kept", remedy)
    return Finding("ok", wanted)


def check_index(connection: Connection, settings: Settings, role: Role) -> Finding:
    """Find out whether what is looked up all the time has its index."""
    if not INDEXES:
        return Finding("ok", "none is wanted")
    found, there = [], columns_of(connection, *INDEXES)
    for table, columns in INDEXES.items():
        if (table, TABLES[table]) not in there:
            return _no_table(table)
        level, said, remedy = index_of(connection, table, columns, there)
        if level != "ok":
            return Finding(level, said, remedy)
        found.append(said)
    return Finding("ok", ", ".join(found))


def check_wait_timeout(connection: Connection, settings: Settings, role: Role) -> Finding:
    """Compare how long the server lets a connection idle with how long ours live."""
    match connection.engine.url.get_backend_name():
        case "sqlite":
            return Finding("ok", "a file, nobody hangs up")
        case "postgresql":
            ask = text("SELECT setting FROM pg_settings WHERE name = 'idle_session_timeout'")
            milliseconds = int(connection.scalar(ask) or 0)
            return judge_wait_timeout("idle_session_timeout", milliseconds / 1000 or None, settings)
    return judge_wait_timeout("wait_timeout", float(connection.scalar(text("SELECT @@wait_timeout")) or 0), settings)


def judge_wait_timeout(name: str, seconds: float | None, settings: Settings) -> Finding:
    """Return what to think of a server that hangs up after so many seconds of silence, None for never."""
    recycle, ping = settings.pool_recycle_seconds, settings.pool_ping_after_seconds
    said = f"{name} {seconds:g} s" if seconds else f"no {name}"
    if settings.pool_strategy == "request":
        return Finding("ok", f"{said}; no connection is kept")
    if not seconds or seconds >= recycle:
        return Finding("ok", f"{said}, POOL_RECYCLE_SECONDS={recycle}")
    said += f" is below POOL_RECYCLE_SECONDS={recycle}, which is never reached"
    if seconds <= ping:
        said += f", and not above POOL_PING_AFTER_SECONDS={ping:g}: idle connections end unpinged"
    return Finding("warning", said, f"raise {name} above {recycle} s, or set POOL_RECYCLE_SECONDS lower than it")


def check_migrations(connection: Connection, settings: Settings, role: Role) -> Finding:
    """Find out how the tables stand to this code."""
    match state := schema_state(connection):
        case "current":
            return Finding("ok", "current")
        case "newer":
            return Finding("warning", "newer than this code", "deploy the code that belongs to it")
        case "unmanaged":
            return Finding("ok", "tables that somebody else made, served as they are")
        case "older":
            return Finding("problem", "older than this code", "./run migrate")
    try:
        refuse_hidden(connection, MAIN)
    except DBAPIError:
        return Finding("problem", f"may not SELECT ON {MAIN}", f"GRANT SELECT ON {MAIN} to the {role}'s user")
    return Finding("problem", f"{state}: no table {MAIN} that this user may see", "./run migrate and ./run seed")


CHECKS: dict[str, Callable[[Connection, Settings, Role], Finding]] = {
    "tls": check_tls,
    "privileges": check_privileges,
    "charset": check_charset,
    "index": check_index,
    "wait_timeout": check_wait_timeout,
    "migrations": check_migrations,
}
