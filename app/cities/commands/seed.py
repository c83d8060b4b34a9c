"""What `flask seed` fills the two tables with: Sakila's countries and cities."""

import csv
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, FromClause, insert, select

from app.cities.models import City, Country
from app.cities.names import fold
from app.commands.manners import announce
from app.commands.seed import OtherRowsError
from app.commands.writing import continue_numbering, wait_for_others

DATA = Path(__file__).parents[1] / "data"

Rows = list[dict[str, Any]]


def read_countries() -> Rows:
    """Return the rows of the country table."""
    return [{"country_id": int(row["country_id"]), "country": row["country"]} for row in _csv("country.csv")]


def read_cities() -> Rows:
    """Return the rows of the city table, each with its folded key."""
    return [
        {
            "city_id": int(row["city_id"]),
            "city": row["city"],
            "city_key": fold(row["city"]),
            "country_id": int(row["country_id"]),
        }
        for row in _csv("city.csv")
    ]


def seed(connection: Connection) -> str:
    """Insert Sakila's 109 countries and 600 cities in the caller's transaction, or none; return what was done.

    Raises OtherRowsError where the tables hold anything else than these rows.
    """
    countries, cities = read_countries(), read_cities()
    announce(f"Seeding {len(countries)} countries and {len(cities)} cities …")
    wait_for_others(connection)
    if _same_rows(connection, countries, cities):
        return f"Already seeded: {len(countries)} countries and {len(cities)} cities; nothing to do."
    for model in (Country, City):
        if connection.execute(select(model).limit(1)).first():
            raise OtherRowsError(
                f"the table {model.__tablename__} holds rows that are not Sakila's; nothing was changed. "
                "Seed an empty database, or keep yours as it is."
            )
    connection.execute(insert(Country), countries)
    connection.execute(insert(City), cities)
    continue_numbering(connection, Country, City)
    return f"Seeded {len(countries)} countries and {len(cities)} cities."


def _csv(name: str) -> Rows:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _same_rows(connection: Connection, countries: Rows, cities: Rows) -> bool:
    return _are(connection, Country.__table__, countries) and _are(connection, City.__table__, cities)


def _are(connection: Connection, table: FromClause, rows: Rows) -> bool:
    names = list(rows[0])
    # One more than there should be is enough to know; there may be millions.
    there = connection.execute(select(*(table.c[name] for name in names)).limit(len(rows) + 1))
    return {tuple(row) for row in there} == {tuple(row[name] for name in names) for row in rows}
