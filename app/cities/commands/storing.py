"""Putting rows into the tables: a batch at a time, each in its own transaction, and none of them twice."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from typing import TypeVar

import click
from sqlalchemy import Connection, func, insert, select

from app.cities.commands.rows import Refusal, Row
from app.cities.commands.seed import read_countries
from app.cities.commands.synthetic import Invented
from app.cities.models import City, Country
from app.cities.names import fold
from app.commands.writing import continue_numbering, wait_for_others

BATCH = 5000
"""Rows in a transaction: some 100 ms, so that nobody who writes has to wait for long."""

ASKED_AT_ONCE = 500
"""Values in an IN (…): MariaDB makes a table of more than 999, SQLite once took no more."""

COUNTED_AT_ONCE = 500_000
"""Ids in a SELECT count(*): a statement has no more than two thirds of REQUEST_DEADLINE_SECONDS."""

MOST_COUNTRIES = 1000
"""There are some 250; a file that makes more has its columns mixed up."""

T = TypeVar("T")


@dataclass
class Kept:
    """What became of a batch."""

    cities: int = 0
    countries: int = 0
    there_already: int = 0
    refused: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Located:
    """A row whose country is known by its id."""

    row: Row
    country_id: int

    @property
    def identity(self) -> tuple[int, str]:
        """What makes two rows the same city, unless they have ids: the country and the folded name."""
        return self.country_id, self.row.city_key


def keep(connection: Connection, rows: Sequence[Row]) -> Kept:
    """Insert those rows that are not there yet, and the countries that they name, in the caller's transaction."""
    wait_for_others(connection)
    kept = Kept()
    located = _locate(connection, rows, kept)
    with_id = _new_by_id(connection, [each for each in located if each.row.city_id is not None], kept)
    seen = {each.identity for each in with_id}
    without = _new_by_name(connection, [each for each in located if each.row.city_id is None], seen, kept)
    if with_id:
        connection.execute(insert(City), [_values(each) | {"city_id": each.row.city_id} for each in with_id])
        continue_numbering(connection, City)
    if without:
        connection.execute(insert(City), list(map(_values, without)))
    kept.cities = len(with_id) + len(without)
    return kept


def keep_invented(connection: Connection, cities: Sequence[Invented], first: int) -> None:
    """Insert these cities, whose ids begin with `first`, in the caller's transaction."""
    wait_for_others(connection)
    if highest_id(connection) != first - 1:
        raise click.ClickException("somebody else added cities meanwhile. Run this again.")
    connection.execute(insert(City), [{"city_id": id, **city._asdict()} for id, city in enumerate(cities, first)])
    continue_numbering(connection, City)


def highest_id(connection: Connection) -> int:
    """Return the highest id of a city, 0 without any: a look at the end of the primary key."""
    return connection.scalar(select(func.max(City.city_id))) or 0


def has_countries(connection: Connection) -> bool:
    """Tell whether Sakila's countries are there, by their ids."""
    ids = {country["country_id"] for country in read_countries()}
    return ids <= set(connection.scalars(select(Country.country_id)))


def count_cities(connection: Connection) -> int:
    """Return how many cities there are, counted slice by slice: one SELECT over millions may take too long."""
    counted, after = 0, 0
    while (first := connection.scalar(select(func.min(City.city_id)).where(City.city_id > after))) is not None:
        after = first + COUNTED_AT_ONCE
        within = City.city_id.between(first, after)
        counted += connection.scalar(select(func.count()).select_from(City).where(within)) or 0
    return counted


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of that many."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _values(each: Located) -> dict[str, object]:
    return {"city": each.row.city, "city_key": each.row.city_key, "country_id": each.country_id}


def _locate(connection: Connection, rows: Sequence[Row], kept: Kept) -> list[Located]:
    """Return the rows whose country is there or can be made."""
    countries, located = _Countries(connection), []
    for row in rows:
        try:
            located.append(Located(row, countries.find(row.country)))
        except ValueError as error:
            kept.refused.append(Refusal(row.line, str(error)))
    kept.countries = countries.made
    return located


class _Countries:
    """The countries that there are, read anew for each batch: others may have made some."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self.made = connection, 0
        countries = select(Country.country_id, Country.country).order_by(Country.country_id.desc())
        known = [(country_id, name) for country_id, name in connection.execute(countries)]
        self._ids = {fold(name): country_id for country_id, name in known}  # of two the lower
        self._spelt: dict[str, int] = {}
        self._all_ids = {country_id for country_id, _ in known}

    def find(self, country: str | int) -> int:
        """Return the id of a country, which is made if there is none of that name; raise ValueError if it cannot be."""
        if isinstance(country, int):
            if country not in self._all_ids:
                raise ValueError(f"country_id {country} is not there")
            return country
        if country not in self._spelt:
            key = fold(country)
            if key not in self._ids:
                self._ids[key] = self._make(country)
            self._spelt[country] = self._ids[key]
        return self._spelt[country]

    def _make(self, name: str) -> int:
        if len(self._ids) >= MOST_COUNTRIES:
            raise ValueError(f"{name} would be country number {MOST_COUNTRIES + 1}; are the columns mixed up?")
        result = self._connection.execute(insert(Country).values(country=name))
        country_id = int(next(iter(result.inserted_primary_key or ())))
        self.made += 1
        self._all_ids.add(country_id)
        return country_id


def _new_by_id(connection: Connection, located: Sequence[Located], kept: Kept) -> list[Located]:
    """Return the rows whose ids are free, each id once."""
    there: dict[int | None, tuple[int, str]] = {}
    for asked in batches((each.row.city_id for each in located), ASKED_AT_ONCE):
        found = select(City.city_id, City.country_id, City.city_key).where(City.city_id.in_(asked))
        there |= {city_id: (country_id, key) for city_id, country_id, key in connection.execute(found)}
    new = []
    for each in located:
        city_id = each.row.city_id
        if city_id not in there:
            there[city_id] = each.identity
            new.append(each)
        elif there[city_id] == each.identity:
            kept.there_already += 1
        else:
            kept.refused.append(Refusal(each.row.line, f"city_id {city_id} is another city's"))
    return new


def _new_by_name(
    connection: Connection, located: Sequence[Located], seen: set[tuple[int, str]], kept: Kept
) -> list[Located]:
    """Return the rows of which the country has no city of that name, each name once; `seen` ones are there."""
    there = seen | set(_identities(connection, located))
    new = []
    for each in located:
        if each.identity in there:
            kept.there_already += 1
        else:
            there.add(each.identity)
            new.append(each)
    return new


def _identities(connection: Connection, located: Sequence[Located]) -> Iterator[tuple[int, str]]:
    """Yield those that are in the table: a statement a country, which the index on country and key answers alone."""
    ordered = sorted({each.identity for each in located})
    for country_id, group in groupby(ordered, key=itemgetter(0)):
        for asked in batches((key for _, key in group), ASKED_AT_ONCE):
            found = select(City.city_key).where(City.country_id == country_id, City.city_key.in_(asked)).distinct()
            yield from ((country_id, key) for key in connection.scalars(found))
