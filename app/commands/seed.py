"""`flask seed`: fills empty tables with the rows that each room brings, once."""

from collections.abc import Callable

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app.commands.manners import Command, stopped
from app.commands.writing import refuse_unknown_schema
from app.extensions import db
from steadypool import OutcomeUnknownError, in_transaction

Seed = Callable[[Connection], str]
"""Inserts all rows of a room or none, harmless when done again, and says what was done."""


class OtherRowsError(click.ClickException):
    """The tables hold other rows than those of the seed."""


def init_app(app: Flask) -> None:
    """Let rooms bring their rows: `app.extensions["seeds"].append(seed)`."""
    seeds: list[Seed] = []
    app.extensions["seeds"] = seeds
    app.cli.add_command(command)


@click.command("seed", cls=Command, short_help="Fill empty tables with the rows that come with them.")
@click.option("--if-empty", is_flag=True, help="Leave tables with other rows as they are, without an error.")
@with_appcontext
def command(if_empty: bool) -> None:
    """Fill empty tables with the rows that come with them; harmless when done again."""
    seeds: list[Seed] = current_app.extensions["seeds"]
    try:
        in_transaction(db.engine, refuse_unknown_schema)
        # Transactions of their own: MySQL shows the data as of its first read, which must come after a seed's lock.
        for seed in seeds:
            _fill(seed, if_empty)
        if not seeds:
            click.echo("No rows come with these tables; nothing to do.")
    except (KeyboardInterrupt, OutcomeUnknownError) as error:
        raise stopped(error, "all rows are there, or none. To seed again does no harm.") from None
    except SQLAlchemyError as error:
        raise stopped(error, "nothing was changed.") from None


def _fill(seed: Seed, if_empty: bool) -> None:
    try:
        click.secho(in_transaction(db.engine, seed), fg="green")
    except OtherRowsError as error:
        if not if_empty:
            raise
        click.secho(f"Not seeded: {error.message}", fg="yellow")
