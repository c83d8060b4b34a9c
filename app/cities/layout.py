"""Whether the table of cities has the folded key: ours has, a Sakila that somebody else made has not."""

from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from app.schema import SchemaMissingError, columns_of

_with_key: WeakKeyDictionary[Engine, bool] = WeakKeyDictionary()


def has_city_key(connection: Connection) -> bool:
    """Tell whether the lookup can use the folded key: one round trip the first time, then none.

    Raises SchemaMissingError where there are no cities; that is not remembered, since a migration may be on its way.
    """
    with_key = _with_key.get(connection.engine)
    if with_key is None:
        columns = columns_of(connection, "city")
        if ("city", "city_id") not in columns:
            raise SchemaMissingError("The database has no table of cities; run ./run migrate and ./run seed.")
        with_key = _with_key[connection.engine] = ("city", "city_key") in columns
    return with_key


def is_known_to_have_city_key(engine: Engine) -> bool:
    """Tell, without asking, whether `has_city_key` was found to be so."""
    return _with_key.get(engine, False)
