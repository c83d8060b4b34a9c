"""`flask seed`: fills the two tables with Sakila's countries and cities, once."""

import csv
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from app.cities.models import City, Country
from app.cities.names import fold
from app.cities.schema import schema_state
from app.extensions import db
from app.pool import in_transaction, recovery
from app.pool.errors import OutcomeUnknownError, PoolError

DATA = Path(__file__).parents[1] / "data"

Rows = list[dict[str, Any]]


class OtherRowsError(click.ClickException):
    """The tables hold other rows than Sakila's."""


@click.command("seed")
@click.option("--if-empty", is_flag=True, help="Leave tables with other rows as they are, without an error.")
def command(if_empty: bool) -> None:
    """Fill empty tables with Sakila's 109 countries and 600 cities; harmless when done again."""
    try:
        in_transaction(db.engine, refuse_unknown_schema)
        countries, cities = read_countries(), read_cities()
        # A transaction of its own: MySQL shows the data as of its first read, which must come after the lock.
        click.echo(in_transaction(db.engine, lambda connection: seed(connection, countries, cities)))
    except OtherRowsError as error:
        if not if_empty:
            raise
        click.echo(f"Not seeded: {error.message}")
    except OutcomeUnknownError as error:
        raise click.ClickException(f"{error}; all rows are there, or none. To seed again does no harm.") from None
    except PoolError as error:
        raise click.ClickException(str(error)) from None
    except DBAPIError as error:
        if not recovery.is_unavailable(error):
            raise
        raise click.ClickException(f"the database cannot be reached: {error.orig}") from None


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


def refuse_unknown_schema(connection: Connection) -> None:
    """Raise ClickException where the tables are missing or not ours."""
    if schema_state(connection) not in ("current", "newer"):
        raise click.ClickException("the tables are missing or not ours; nothing was changed. Run ./run migrate first.")


def seed(connection: Connection, countries: Rows, cities: Rows) -> str:
    """Insert all rows in the caller's transaction, or none; return what was done.

    Raises OtherRowsError where the tables hold anything else than these rows.
    """
    _wait_for_other_seeds(connection)
    if _same_rows(connection, countries, cities):
        return f"Already seeded: {len(countries)} countries and {len(cities)} cities; nothing to do."
    for model in (Country, City):
        if connection.scalar(select(func.count()).select_from(model)):
            raise OtherRowsError(
                f"the table {model.__tablename__} holds rows that are not Sakila's; nothing was changed. "
                "Seed an empty database, or keep yours as it is."
            )
    connection.execute(insert(Country), countries)
    connection.execute(insert(City), cities)
    _continue_numbering(connection)
    return f"Seeded {len(countries)} countries and {len(cities)} cities."


def _csv(name: str) -> Rows:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _wait_for_other_seeds(connection: Connection) -> None:
    """Let a second seed that starts now wait until this transaction is over."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver would begin at the first INSERT only
    elif connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE country IN SHARE ROW EXCLUSIVE MODE"))
    else:
        # Locks the version row, which is there as soon as the tables are.
        connection.execute(text("SELECT version_num FROM alembic_version FOR UPDATE"))


def _same_rows(connection: Connection, countries: Rows, cities: Rows) -> bool:
    there = {tuple(row) for row in connection.execute(select(Country.country_id, Country.country))}
    if there != {(row["country_id"], row["country"]) for row in countries}:
        return False
    there = {tuple(row) for row in connection.execute(select(City.city_id, City.city, City.city_key, City.country_id))}
    return there == {(row["city_id"], row["city"], row["city_key"], row["country_id"]) for row in cities}


def _continue_numbering(connection: Connection) -> None:
    """Tell PostgreSQL's sequences about the ids that were given by hand; the others see for themselves."""
    if connection.dialect.name != "postgresql":
        return
    for model in (Country, City):
        table, key = model.__tablename__, f"{model.__tablename__}_id"
        highest = select(func.max(model.__table__.c[key])).scalar_subquery()
        connection.execute(select(func.setval(func.pg_get_serial_sequence(table, key), highest)))
