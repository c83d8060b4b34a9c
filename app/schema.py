"""Which tables this service has, and which of them a database has; found out with SELECT alone."""

from typing import Literal

from sqlalchemy import Connection, Executable, bindparam, text

# What to change with the tables:
# - the newest migration; Alembic would tell, but is not loaded into the web server;
# - the tables with their keys, first the one without which there is nothing to serve, each before those it refers to;
# - by which columns a table is looked up all the time: doctor wants an index that begins like that.
SCHEMA_HEAD = "0001"
TABLES = {"city": "city_id", "country": "country_id"}
INDEXES: dict[str, tuple[str, ...]] = {"city": ("city_key", "city_id")}

MAX_NAME_LENGTH = 50
"""Characters; the width of Sakila's name columns."""

MAIN = next(iter(TABLES))

State = Literal["current", "newer", "older", "empty", "unmanaged"]

# The catalogue shows a user the tables that they may read, and raises no error for the others.
_CATALOGUE = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = {schema} AND table_name IN :tables
"""
_COLUMNS = {
    "mysql": _CATALOGUE.format(schema="DATABASE()"),
    "mariadb": _CATALOGUE.format(schema="DATABASE()"),
    "postgresql": _CATALOGUE.format(schema="current_schema()"),
    "sqlite": """
        SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.name IN :tables
    """,
}


class SchemaMissingError(Exception):
    """The database answers, but has none of our tables; for queries to raise that find out."""


def columns_of(connection: Connection, *tables: str) -> set[tuple[str, str]]:
    """Return table and column of all columns that those of the tables have that are there: one round trip."""
    ask = text(_COLUMNS[connection.dialect.name]).bindparams(bindparam("tables", tables, expanding=True))
    return {(table.lower(), column.lower()) for table, column in connection.execute(_traceless(ask))}


def schema_state(connection: Connection) -> State:
    """Return how the database's schema stands to this code: two round trips at the most."""
    found = columns_of(connection, MAIN, "alembic_version")
    if (MAIN, TABLES[MAIN]) not in found:
        return "empty"
    if ("alembic_version", "version_num") not in found:
        return "unmanaged"
    version = connection.scalar(_traceless(text("SELECT max(version_num) FROM alembic_version"))) or ""
    if version == SCHEMA_HEAD:
        return "current"
    return "newer" if version > SCHEMA_HEAD else "older"


def _traceless(ask: Executable) -> Executable:
    """Vouch for a statement: it leaves no trace in the session, so the pool may keep the connection."""
    return ask.execution_options(leaves_no_trace=True)
