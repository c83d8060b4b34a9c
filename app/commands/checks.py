"""What `flask doctor` asks each database, and what it thinks of the answers. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import URL, Connection, bindparam, text
from sqlalchemy.exc import DBAPIError

from app.commands.findings import Finding, no_table
from app.commands.indexes import index_of
from app.commands.rights import check_privileges
from app.schema import INDEXES, MAIN, TABLES, columns_of, quoted, refuse_hidden, schema_state
from config import Settings
from steadypool import Role


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
            return no_table(table)
        finding = index_of(connection, table, columns, there)
        if finding.level != "ok":
            return finding
        found.append(finding.text)
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
        table = quoted(connection, MAIN)
        return Finding("problem", f"may not SELECT ON {table}", f"GRANT SELECT ON {table} to the {role}'s user")
    return Finding("problem", f"{state}: no table {MAIN} that this user may see", "./run migrate and ./run seed")


CHECKS: dict[str, Callable[[Connection, Settings, Role], Finding]] = {
    "tls": check_tls,
    "privileges": check_privileges,
    "charset": check_charset,
    "index": check_index,
    "wait_timeout": check_wait_timeout,
    "migrations": check_migrations,
}
