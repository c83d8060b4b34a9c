"""What `flask doctor` says of the index by which a table is looked up."""

from collections.abc import Mapping

from sqlalchemy import Connection, inspect

from app.commands.findings import Finding
from app.extensions import db
from app.schema import ignores_case, quoted


def columns_read(table: str) -> list[str]:
    """Return what nobody can do without who reads that table: no folded key, and nothing that fills itself in."""
    there = db.metadata.tables[table].columns
    return [each.name for each in there if each.server_default is None and not each.name.endswith("_key")]


def index_of(
    connection: Connection, table: str, columns: tuple[str, ...], there: Mapping[tuple[str, str], str | None]
) -> Finding:
    """Judge the index that begins with the first of these columns, in a table that has those that are there."""
    first = columns[0]
    if (table, first) not in there:
        return _without_key(connection, table, first, there)
    if names := _indexes(connection, table, first):
        return Finding("ok", f"{names[0]} on {first}")
    remedy = _to_create(connection, table, *columns)
    return Finding("problem", f"no index on {first}: each lookup reads all of {table}", remedy)


def _without_key(connection: Connection, table: str, key: str, there: Mapping[tuple[str, str], str | None]) -> Finding:
    """Judge a table of somebody else, where the column itself may find all spellings."""
    column = key.removesuffix("_key")
    collation = there.get((table, column))
    if not ignores_case(collation):
        remedy = "nothing while there are few rows; ./run migrate makes tables with it in a database of its own"
        return Finding("warning", f"no {key} in this table {table}: each lookup reads all of it", remedy)
    if table in inspect(connection).get_view_names():
        return Finding("not checked", f"{table} is a view, of a table that may have an index or not")
    if names := _indexes(connection, table, column):
        return Finding("ok", f"{names[0]} on {column}, in {collation}")
    remedy = _to_create(connection, table, column)
    return Finding("warning", f"no {key} and no index on {column}: each lookup reads all of {table}", remedy)


def _indexes(connection: Connection, table: str, first: str) -> list[str]:
    indexes = inspect(connection).get_indexes(table)
    return [str(each["name"]) for each in indexes if each["column_names"][:1] == [first]]


def _to_create(connection: Connection, table: str, *columns: str) -> str:
    names = ", ".join(quoted(connection, column) for column in columns)
    return f"CREATE INDEX ix_{columns[0]} ON {quoted(connection, table)} ({names})"
