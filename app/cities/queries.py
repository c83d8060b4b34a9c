"""The only SELECTs of this room. Values in, values out; each docstring promises its round trips.

`@reading` brings the connection: views call `find_city(312)`. An engine's first read costs one more, for its schema.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, String, and_, bindparam, or_, select, union_all
from sqlalchemy.sql import literal_column

from app.cities.layout import Layout, known_layout, layout
from app.cities.models import City, Country
from app.cities.names import APOSTROPHES, first_behind, fold, one_slip_away
from app.cities.spellings import begins_like, is_called, spellings_of
from app.extensions import db, or_nothing, reading
from steadypool import Lookup

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CityRow:
    """A city with its country."""

    city_id: int
    city: str
    country_id: int
    country: str


@dataclass(frozen=True, slots=True)
class CountryRow:
    """A country."""

    country_id: int
    country: str


class Cursor(NamedTuple):
    """Where a page ended: the sort key and the id of its last row."""

    key: str
    id: int


class Wanted(NamedTuple):
    """Which page of which cities."""

    name: str | None
    prefix: str | None
    after: Cursor | None
    limit: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and where the next ones begin if there are more."""

    items: list[T]
    next: Cursor | None


CITIES = select(City.city_id, City.city, City.country_id, Country.country).join(Country)
COUNTRIES = select(Country.country_id, Country.country)

# Made once: to make a statement takes longer than to send it.
_BY_KEY = CITIES.where(City.city_key == bindparam("key")).order_by(City.city_id)
_SIMILAR = union_all(
    *(
        select(candidates.limit(40).subquery().c.city)
        for candidates in (
            # By a column without an index, so that no database walks along that order to look for so few.
            select(City.city).where(City.city_key.in_(bindparam("slips", expanding=True))).order_by(City.city),
            select(City.city).where(City.city_key > bindparam("key")).order_by(City.city_key),
            select(City.city).where(City.city_key < bindparam("key")).order_by(City.city_key.desc()),
        )
    )
)
_LOWEST_ID = Lookup(
    select(City.city_id).where(City.city_key == bindparam("key")).order_by(City.city_id).limit(literal_column("1"))
)
# Of a Sakila of somebody else: a name in so many spellings.
_SPELT = {
    count: Lookup(
        select(City.city_id, City.city)
        .where(City.city.in_([bindparam(f"spelling_{number}", type_=String) for number in range(count)]))
        .order_by(City.city_id)
    )
    for count in (1, len(APOSTROPHES))
}


@or_nothing(lambda: None)
def find_city_id(name: str) -> int | None:
    """Return the lowest id of the cities of that name, None if there are none: one round trip, an index lookup."""
    reader = db.engines["reader"]
    here = known_layout(reader)
    if here and here.has_key:
        rows = _LOWEST_ID.fetch(reader, key=fold(name))
        return rows[0][0] if rows else None
    spellings = spellings_of(here, name) if here else []
    if not spellings:
        return next((city.city_id for city in find_cities(name)), None)
    values = {f"spelling_{number}": spelling for number, spelling in enumerate(spellings)}
    found = _SPELT[len(spellings)].fetch(reader, **values)
    return next((city_id for city_id, city in found if city == name or fold(city) == fold(name)), None)


@or_nothing(list[CityRow])
@reading
def find_cities(connection: Connection, name: str) -> list[CityRow]:
    """Return the cities of that name, lowest id first: one round trip, an index lookup."""
    here = layout(connection)
    if here.has_key:
        return _cities(connection, _BY_KEY, {"key": fold(name)})
    candidates = _cities(connection, CITIES.where(is_called(here, name)).order_by(City.city_id))
    return [city for city in candidates if fold(city.city) == fold(name)]


@or_nothing(list[str])
@reading
def find_similar(connection: Connection, name: str) -> list[str]:
    """Return up to 5 names that are spelled much like this one, the nearest first: one round trip, ranges of an index.

    Chosen from 120 candidates at the most: 40 that are one slip away, 40 on either side in the order of the keys. Those
    that begin with this one come first: three letters or more are more likely a beginning than a slip.
    Without a folded key there is no such order, and nothing is asked or offered.
    """
    if not layout(connection).has_key:
        return []
    key = fold(name)
    names = {fold(city): city for (city,) in connection.execute(_SIMILAR, {"key": key, "slips": one_slip_away(key)})}
    begun = [longer for longer in names if longer.startswith(key)] if len(key) >= 3 else []
    nearest = [*get_close_matches(key, begun, n=5, cutoff=0), *get_close_matches(key, names, n=5)]
    return [names[near] for near in dict.fromkeys(nearest)][:5]


@reading
def find_city(connection: Connection, city_id: int) -> CityRow | None:
    """Return the city with that id: one round trip, by primary key."""
    layout(connection)
    return next(iter(_cities(connection, CITIES.where(City.city_id == city_id))), None)


@or_nothing(lambda: Page([], None))
@reading
def search_cities(
    connection: Connection,
    *,
    name: str | None = None,
    prefix: str | None = None,
    country_id: int | None = None,
    after: Cursor | None = None,
    limit: int,
) -> Page[CityRow]:
    """Return a page of the cities that fit all filters, by name: one round trip, a range of an index.

    Without a folded key the order is that of the ids, and a page may be shorter than its limit.
    """
    statement = CITIES if country_id is None else CITIES.where(City.country_id == country_id)
    here = layout(connection)
    wanted = Wanted(name, prefix, after, limit)
    if here.has_key:
        return _page_by_key(connection, statement, wanted)
    return _page_by_id(connection, here, statement, wanted)


@reading
def find_country(connection: Connection, country_id: int) -> CountryRow | None:
    """Return the country with that id: one round trip, by primary key."""
    layout(connection)
    row = connection.execute(COUNTRIES.where(Country.country_id == country_id)).first()
    return row and CountryRow(*row)


@reading
def list_countries(connection: Connection, *, after: Cursor | None = None, limit: int) -> Page[CountryRow]:
    """Return a page of countries, lowest id first: one round trip, a range of the primary key."""
    layout(connection)
    statement = COUNTRIES.order_by(Country.country_id).limit(limit + 1)
    if after:
        statement = statement.where(Country.country_id > after.id)
    rows = [CountryRow(*row) for row in connection.execute(statement)]
    return Page(rows[:limit], Cursor("", rows[limit - 1].country_id) if len(rows) > limit else None)


def _cities(
    connection: Connection, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any] | None = None
) -> list[CityRow]:
    return [CityRow(*row) for row in connection.execute(statement, values)]


def _page_by_key(connection: Connection, statement: Select[*tuple[Any, ...]], wanted: Wanted) -> Page[CityRow]:
    name, prefix, after, limit = wanted
    conditions: list[ColumnElement[bool]] = []
    if name is not None:
        conditions.append(City.city_key == fold(name))
    if prefix is not None:
        conditions += [City.city_key >= fold(prefix), City.city_key < first_behind(fold(prefix))]
    if after:
        # The first half is implied by the second; MySQL needs it to see a range of the index.
        is_behind = or_(City.city_key > after.key, and_(City.city_key == after.key, City.city_id > after.id))
        conditions += [City.city_key >= after.key, is_behind]
    if statement.whereclause is not None:
        conditions.append(statement.whereclause)
    rows = _cities(connection, _with_countries(_PAGE.where(*conditions).limit(limit + 1)))
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], Cursor(fold(last.city), last.city_id) if last else None)


_PAGE = select(City.city_id, City.city, City.city_key, City.country_id).order_by(City.city_key, City.city_id)


def _with_countries(cities: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Join the countries to a page that is cut already.

    In one SELECT, MariaDB begins with the countries once it reckons with many cities, and sorts them all: 1 to 3 s
    among 6 million instead of 0.5 ms.
    """
    page = cities.subquery("page")
    rows = select(page.c.city_id, page.c.city, page.c.country_id, Country.country)
    return rows.join(Country, Country.country_id == page.c.country_id).order_by(page.c.city_key, page.c.city_id)


def _page_by_id(
    connection: Connection, here: Layout, statement: Select[*tuple[Any, ...]], wanted: Wanted
) -> Page[CityRow]:
    name, prefix, after, limit = wanted
    if name is not None:
        statement = statement.where(is_called(here, name))
    if prefix is not None:
        statement = statement.where(begins_like(here, prefix))
    if after:
        statement = statement.where(City.city_id > after.id)
    rows = _cities(connection, statement.order_by(City.city_id).limit(limit + 1))
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(_only_folded(rows[:limit], name, prefix), Cursor("", last.city_id) if last else None)


def _only_folded(rows: Sequence[CityRow], name: str | None, prefix: str | None) -> list[CityRow]:
    """Return the rows that our fold accepts too: a collation may take more for equal than we do."""
    return [
        row
        for row in rows
        if (name is None or fold(row.city) == fold(name))
        and (prefix is None or fold(row.city).startswith(fold(prefix)))
    ]
