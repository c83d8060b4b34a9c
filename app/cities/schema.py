"""Which tables a database has: ours, none, or a Sakila that somebody else made; found out with SELECT alone."""

from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Executable, text

SCHEMA_HEAD = "0001"
"""The newest migration that this code knows. Alembic would tell, but is not loaded into the web server."""

State = Literal["current", "newer", "older", "empty", "unmanaged"]

# The catalogue shows a user the tables that they may read, and raises no error for the others.
_CATALOGUE = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = {schema} AND table_name IN ('city', 'alembic_version')
"""
_COLUMNS = {
    "mysql": _CATALOGUE.format(schema="DATABASE()"),
    "mariadb": _CATALOGUE.format(schema="DATABASE()"),
    "postgresql": _CATALOGUE.format(schema="current_schema()"),
    "sqlite": """
        SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.name IN ('city', 'alembic_version')
    """,
}


class SchemaMissingError(Exception):
    """The database answers, but has no table of cities."""


@dataclass(frozen=True)
class Layout:
    """The tables that are there, as far as they matter."""

    has_cities: bool
    has_key: bool
    has_version: bool


def read_layout(connection: Connection) -> Layout:
    """Return what the database's catalogue says: one round trip."""
    rows = connection.execute(_plain(_COLUMNS[connection.dialect.name]))
    columns = {(table.lower(), column.lower()) for table, column in rows}
    return Layout(
        has_cities=("city", "city_id") in columns,
        has_key=("city", "city_key") in columns,
        has_version=("alembic_version", "version_num") in columns,
    )


def schema_state(connection: Connection) -> State:
    """Return how the database's schema stands to this code: two round trips at the most."""
    layout = read_layout(connection)
    if not layout.has_cities:
        return "empty"
    if not layout.has_version:
        return "unmanaged"
    version = connection.scalar(_plain("SELECT max(version_num) FROM alembic_version")) or ""
    if version == SCHEMA_HEAD:
        return "current"
    return "newer" if version > SCHEMA_HEAD else "older"


def _plain(select: str) -> Executable:
    """Vouch for a statement: it leaves no trace in the session, so the pool may keep the connection."""
    return text(select).execution_options(leaves_no_trace=True)


_layouts: WeakKeyDictionary[Engine, Layout] = WeakKeyDictionary()


def has_city_key(connection: Connection) -> bool:
    """Tell whether the lookup can use the folded key: one round trip the first time, then none.

    Raises SchemaMissingError where there are no cities; that is not remembered, since a migration may be on its way.
    """
    layout = _layouts.get(connection.engine)
    if layout is None:
        layout = read_layout(connection)
        if not layout.has_cities:
            raise SchemaMissingError("The database has no table of cities; run ./run migrate and ./run seed.")
        _layouts[connection.engine] = layout
    return layout.has_key


def is_known_to_have_city_key(engine: Engine) -> bool:
    """Tell, without asking, whether `has_city_key` was found to be so."""
    layout = _layouts.get(engine)
    return layout is not None and layout.has_key
