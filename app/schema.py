"""Which tables this service has, and which of them a database has; found out with SELECT alone."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Executable, Table, bindparam, column, false, select, text
from sqlalchemy import table as from_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import sort_tables

from steadypool import is_denied

# What to change with the tables, which may be none:
# - the tables with their keys, first the one without which there is nothing to serve;
# - by which columns a table is looked up all the time: doctor wants an index that begins like that, or, where somebody
#   else made the table without the key, one on the column that has its name without "_key".
TABLES: dict[str, str] = {"city": "city_id", "country": "country_id"}
INDEXES: dict[str, tuple[str, ...]] = {"city": ("city_key", "city_id")}

KEPT_ANSWERS = {"idempotency_key": "key_hash"}
"""The table of `app/idempotency.py`, which stays whatever there is to serve; only the writer uses it."""

MAIN = next(iter(TABLES), "")

_VERSIONS = Path(__file__).parents[1] / "migrations" / "versions"
SCHEMA_HEAD = max((file.name.partition("_")[0] for file in _VERSIONS.glob("[0-9]*.py")), default="")
"""The newest migration, "" without any. Alembic would tell, but is not loaded into the web server."""

# MySQL's and MariaDB's names of collations begin with the character set and end in what is ignored. Turkish ones tell I
# from i; cp866 tells J from j, latin7 Q from q, latin1 Š from š.
_IGNORES_CASE = re.compile(r"(?!.*_(?:turkish|tr)_)(?:utf|ucs2|latin1).*_ci")

SchemaState = Literal["current", "newer", "older", "empty", "unmanaged"]

# The tables that this user may read, and of each name the one that a SELECT without a schema would get. The standard
# catalogue of PostgreSQL does not know which that is; MariaDB's shows Note for note, where these are two tables.
_OF_MYSQL = """
    SELECT IF(@@lower_case_table_names = 0, table_name, lower(table_name)), column_name, collation_name
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name IN :tables
"""
_COLUMNS = {
    "mysql": _OF_MYSQL,
    "mariadb": _OF_MYSQL,
    "postgresql": """
        SELECT tables.relname, columns.attname, NULL
        FROM pg_catalog.pg_class AS tables JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = tables.oid
        WHERE tables.relname IN :tables AND tables.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND pg_catalog.pg_table_is_visible(tables.oid) AND columns.attnum > 0 AND NOT columns.attisdropped
        AND pg_catalog.has_column_privilege(tables.oid, columns.attnum, 'SELECT')
    """,
    "sqlite": """
        SELECT lower(tables.name), columns.name, NULL
        FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
        WHERE lower(tables.name) IN :tables
    """,
}


class SchemaMissingError(Exception):
    """The database answers, but has none of our tables; for queries to raise that find out."""


def columns_of(connection: Connection, *tables: str) -> dict[tuple[str, str], str | None]:
    """Return table and column of all columns that those of the tables have that are there: one round trip.

    With each goes its collation, if it holds text and the database is MySQL or MariaDB.
    """
    ask = text(_COLUMNS[connection.dialect.name]).bindparams(bindparam("tables", tables, expanding=True))
    found = connection.execute(_traceless(ask))
    return {(table, column.lower()): collation for table, column, collation in found}


def children_first(tables: Iterable[Table]) -> list[str]:
    """Return the names of ours among these tables, each before those it refers to: so they can be dropped."""
    return [each.name for each in reversed(sort_tables(tables)) if each.name in TABLES]


def quoted(connection: Connection, name: str) -> str:
    """Return the name of a table or a column as SQL that is written by hand needs it: "order" is one, order is not."""
    return connection.dialect.identifier_preparer.quote(name)


def ignores_case(collation: str | None) -> bool:
    """Tell whether a and A are equal to a column with that collation, so that an index on it serves both."""
    return _IGNORES_CASE.fullmatch(collation or "") is not None


def schema_state(connection: Connection) -> SchemaState:
    """Return how the database's schema stands to this code: two round trips at the most.

    Who wants no tables misses none: that is "current" once the database has answered.
    """
    found = columns_of(connection, *filter(None, (MAIN, "alembic_version")))
    if not TABLES:
        return "current"
    if (MAIN, TABLES[MAIN]) not in found:
        return "empty"
    if ("alembic_version", "version_num") not in found:
        return "unmanaged"
    version = connection.scalar(_traceless(text("SELECT max(version_num) FROM alembic_version"))) or ""
    if version == SCHEMA_HEAD:
        return "current"
    return "newer" if version > SCHEMA_HEAD else "older"


def refuse_hidden(connection: Connection, table: str) -> None:
    """Raise what the database says where it keeps a table from this user: to `schema_state` it is not there then."""
    key = {**TABLES, "alembic_version": "version_num"}[table]
    try:
        connection.execute(_traceless(select(column(key)).select_from(from_(table)).where(false())))
    except DBAPIError as error:
        if is_denied(error):
            raise


def _traceless(ask: Executable) -> Executable:
    """Vouch for a statement: it leaves no trace in the session, so the pool may keep the connection."""
    return ask.execution_options(leaves_no_trace=True)
