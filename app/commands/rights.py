"""What `flask doctor` says of the rights of the databases' users; it asks for them and uses none."""

from __future__ import annotations

from sqlalchemy import Connection, delete, false, table, text
from sqlalchemy.exc import DBAPIError

from app.commands.findings import Finding, Level, no_table
from app.commands.indexes import columns_read
from app.schema import KEPT_ANSWERS, MAIN, TABLES, columns_of, quoted, schema_state
from config import Settings
from steadypool import Role, is_denied

WRITE_RIGHTS = ("INSERT", "UPDATE", "DELETE")
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


def check_privileges(connection: Connection, settings: Settings, role: Role) -> Finding:
    """Find out whether the reader may SELECT and the writer may change rows."""
    if not TABLES:
        return Finding("ok", "no tables are wanted")
    rights = ("SELECT",) if role == "reader" else WRITE_RIGHTS
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
        return no_table(MAIN)
    try:
        # Takes the right to write and writes nothing.
        connection.execute(delete(table(MAIN)).where(false()))
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
    for name, key in _tables_of(connection, role).items():
        columns = ", ".join(quoted(connection, column) for column in columns_read(name))
        names = {"table": quoted(connection, name), "key": quoted(connection, key), "columns": columns}
        for right in rights:
            try:
                connection.execute(text(EXPLAINED[right].format_map(names)))
            except DBAPIError as error:
                code = getattr(error.orig, "args", (0,))[0]
                if code in READ_ONLY:
                    return _read_only()
                if code == NO_SUCH_TABLE:
                    return no_table(name)
                if not is_denied(error):
                    raise
                denied.append(f"{right} ON {names['table']}")
    return judge_privileges(role, rights, denied)


def _postgresql_privileges(connection: Connection, role: Role, rights: tuple[str, ...]) -> Finding:
    if role == "writer" and connection.scalar(text("SHOW transaction_read_only")) == "on":
        return _read_only()
    tables = _tables_of(connection, role)
    for name in tables:
        if connection.scalar(text("SELECT to_regclass(:table)"), {"table": quoted(connection, name)}) is None:
            return no_table(name)
    denied = [
        f"{right} ON {quoted(connection, name)}"
        for name in tables
        for right in rights
        if not _may(connection, right, name)
    ]
    return judge_privileges(role, rights, denied)


def _tables_of(connection: Connection, role: Role) -> dict[str, str]:
    """Return the tables that an engine works on; a Sakila of somebody else is only read, so no answers are kept."""
    is_ours = role == "writer" and schema_state(connection) in ("current", "newer")
    return TABLES | KEPT_ANSWERS if is_ours else TABLES


def _may(connection: Connection, right: str, name: str) -> bool:
    # The functions read the name of a table as SQL does, that of a column as it is.
    of = quoted(connection, name)
    if right != "SELECT":
        return bool(connection.scalar(text("SELECT has_table_privilege(:t, :r)"), {"t": of, "r": right}))
    ask = text("SELECT has_column_privilege(:table, :column, 'SELECT')")
    return all(connection.scalar(ask, {"table": of, "column": column}) for column in columns_read(name))


def judge_privileges(role: Role, rights: tuple[str, ...], denied: list[str]) -> Finding:
    """Return what to think of a user to whom this was denied; tables that are only read need no more than SELECT."""
    if not denied:
        return Finding("ok", f"may {', '.join(rights)}")
    told = ", ".join(denied)
    level: Level = "problem" if role == "reader" else "warning"
    return Finding(level, f"may not {told}", f"GRANT {told} to the {role}'s user")


def _read_only(remedy: str = "point DATABASE_URL at the primary server; this may be a replica") -> Finding:
    return Finding("problem", "is read-only", remedy)
