"""The only statements of this room that change cities; each belongs into a transaction of the caller's.

Each returns the city as it is kept, read on the same connection.
"""

from typing import Any

from sqlalchemy import Connection, CursorResult, Insert, Update, delete, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.bodies import invalid
from app.cities.models import City
from app.cities.names import fold
from app.cities.queries import CITIES, CityRow
from app.errors import FieldError, Problem
from steadypool import code_of, is_refused

NO_SUCH_COUNTRY = {1452, "23503"}
"""A foreign key that leads nowhere (MySQL's and MariaDB's error codes; SQLSTATE); SQLite says it in words."""


def lock_city(connection: Connection, city_id: int) -> CityRow | None:
    """Return the city with that id, and let nobody change it until the transaction is over: one round trip."""
    row = connection.execute(CITIES.where(City.city_id == city_id).with_for_update(of=City)).first()
    return row and CityRow(*row)


def add_city(connection: Connection, name: str, country_id: int) -> CityRow:
    """Return the new city: two round trips. Raises Problem (422): no such country, a name that cannot be kept."""
    made = _keep(connection, insert(City).values(_columns(name, country_id)), name)
    (city_id,) = made.inserted_primary_key or (0,)
    return _as_kept(connection, city_id, name)


def change_city(connection: Connection, city_id: int, name: str, country_id: int) -> CityRow:
    """Return the city that `lock_city` has found, changed: two round trips. Raises Problem (422) like `add_city`."""
    _keep(connection, update(City).where(City.city_id == city_id).values(_columns(name, country_id)), name)
    return _as_kept(connection, city_id, name)


def remove_city(connection: Connection, city_id: int) -> None:
    """Remove a city: one round trip. Raises Problem (409) if rows of another table refer to it."""
    try:
        connection.execute(delete(City).where(City.city_id == city_id))
    except IntegrityError as error:
        raise Problem("conflict", f"Something else refers to the city {city_id}.") from error


def _columns(name: str, country_id: int) -> dict[str, Any]:
    return {"city": name, "city_key": fold(name), "country_id": country_id}


def _keep(connection: Connection, statement: Insert | Update, name: str) -> CursorResult[Any]:
    try:
        return connection.execute(statement)
    except IntegrityError as error:
        if code_of(error.orig) not in NO_SUCH_COUNTRY and "FOREIGN KEY" not in str(error.orig):
            raise  # an id that is there already: the sequence of somebody's own table lags behind
        raise invalid(FieldError(pointer="#/country_id", detail="No country has this id.")) from error
    except DBAPIError as error:
        if is_refused(error) and not name.isascii():
            raise _not_held() from error
        raise


def _as_kept(connection: Connection, city_id: int, name: str) -> CityRow:
    row = CityRow(*connection.execute(CITIES.where(City.city_id == city_id)).one())
    if row.city != name:  # a server that is not strict puts question marks
        raise _not_held()
    return row


def _not_held() -> Problem:
    return invalid(FieldError(pointer="#/name", detail="It has characters that this database cannot hold."))
