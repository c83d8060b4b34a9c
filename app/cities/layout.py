"""What the table of cities is like: ours has the folded key, a Sakila that somebody else made has a collation."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from app.schema import SchemaMissingError, columns_of, ignores_case
from steadypool import DatabaseMisconfiguredError

_UNICODE = re.compile("utf|ucs2")


class Layout(NamedTuple):
    """What decides how a name is looked up."""

    has_key: bool
    ignores_case: bool
    is_unicode: bool
    tells_accents: bool

    def ignores_case_of(self, name: str) -> bool:
        """Tell whether the column itself takes all cases of this name for equal, so that an index on it finds them."""
        if self.tells_accents and "İ" in name:  # of which lower() makes an i without its dot
            return False
        return self.ignores_case and (self.is_unicode or name.isascii())


_known: WeakKeyDictionary[Engine, Layout] = WeakKeyDictionary()


def layout(connection: Connection) -> Layout:
    """Return how names are looked up here: one round trip the first time, then none.

    Raises SchemaMissingError where there are no cities, DatabaseMisconfiguredError where names are kept as bytes; that
    is not remembered, since a migration may be on its way.
    """
    found = _known.get(connection.engine)
    if found is None:
        columns = columns_of(connection, "city", "country")
        if ("city", "city_id") not in columns:
            raise SchemaMissingError("The database has no table of cities; run ./run migrate and ./run seed.")
        if connection.dialect.name in ("mysql", "mariadb"):
            _require_text(columns)
        collation = columns.get(("city", "city")) or ""
        found = _known[connection.engine] = Layout(
            has_key=("city", "city_key") in columns,
            ignores_case=ignores_case(collation),
            is_unicode=_UNICODE.match(collation) is not None,
            tells_accents="_as_" in collation,
        )
    return found


def _require_text(columns: Mapping[tuple[str, str], str | None]) -> None:
    """Refuse names of which nobody can tell the letters: drivers bring VARBINARY as bytes."""
    for column in (("city", "city"), ("country", "country")):
        if column in columns and columns[column] is None:
            raise DatabaseMisconfiguredError(f"the column {'.'.join(column)} does not hold text; make it a VARCHAR")


def known_layout(engine: Engine) -> Layout | None:
    """Return, without asking, what `layout` has found out, None if it was not called yet."""
    return _known.get(engine)
