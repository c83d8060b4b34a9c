"""`flask seed`: fills the two tables with Sakila's countries and cities, once."""

import csv
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, FromClause, insert, select
from sqlalchemy.exc import SQLAlchemyError

from app.cities.models import City, Country
from app.cities.names import fold
from app.commands.manners import Command, announce, stopped
from app.commands.writing import continue_numbering, refuse_unknown_schema, wait_for_others
from app.extensions import db
from steadypool import OutcomeUnknownError, in_transaction

DATA = Path(__file__).parents[1] / "data"

Rows = list[dict[str, Any]]


class OtherRowsError(click.ClickException):
    """The tables hold other rows than Sakila's."""


@click.command("seed", cls=Command, short_help="Fill empty tables with Sakila's countries and cities.")
@click.option("--if-empty", is_flag=True, help="Leave tables with other rows as they are, without an error.")
def command(if_empty: bool) -> None:
    """Fill empty tables with Sakila's 109 countries and 600 cities; harmless when done again."""
    try:
        in_transaction(db.engine, refuse_unknown_schema)
        countries, cities = read_countries(), read_cities()
        # A transaction of its own: MySQL shows the data as of its first read, which must come after the lock.
        announce(f"Seeding {len(countries)} countries and {len(cities)} cities …")
        click.secho(in_transaction(db.engine, lambda connection: seed(connection, countries, cities)), fg="green")
    except OtherRowsError as error:
        if not if_empty:
            raise
        click.secho(f"Not seeded: {error.message}", fg="yellow")
    except (KeyboardInterrupt, OutcomeUnknownError) as error:
        raise stopped(error, "all rows are there, or none. To seed again does no harm.") from None
    except SQLAlchemyError as error:
        raise stopped(error, "nothing was changed.") from None


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


def seed(connection: Connection, countries: Rows, cities: Rows) -> str:
    """Insert all rows in the caller's transaction, or none; return what was done.

    Raises OtherRowsError where the tables hold anything else than these rows.
    """
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
