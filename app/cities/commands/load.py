"""`flask load`: fills the tables from a CSV of one's own, or with as many invented cities as one likes."""

from functools import partial
from typing import BinaryIO

import click

from app.cities.commands.rows import HeaderError, Refusal, Row, RowFile
from app.cities.commands.storing import (
    BATCH,
    Kept,
    batches,
    count_cities,
    has_countries,
    highest_id,
    keep,
    keep_invented,
)
from app.cities.commands.synthetic import MOST, Names
from app.cities.commands.tally import Tally, progress, size_of, telling
from app.commands.manners import Command
from app.commands.writing import refuse_unknown_schema
from app.extensions import db
from app.parameters import MAX_ID
from steadypool import in_transaction


@click.command("load", cls=Command, short_help="Add the cities of a CSV file, or invented ones.")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--synthetic", type=click.IntRange(1, MOST), metavar="N", help="Invent cities until there are N in all.")
@click.pass_context
def command(context: click.Context, file: BinaryIO | None, synthetic: int | None) -> None:
    """Load cities from a CSV FILE, - for standard input; harmless when done again.

    The first line names the columns: city, country (a name; new ones are made) or country_id, and city_id where there
    are ids. Lines that cannot be loaded are shown with the reason, all others are loaded; the exit code is 1 then.
    """
    if (file is None) == (synthetic is None):
        raise click.UsageError("Name a file (- is standard input), or --synthetic N.")
    tally = Tally()
    with telling(tally):
        in_transaction(db.engine, refuse_unknown_schema)
        if file is not None:
            load(file, tally)
        elif synthetic is not None:
            invent(synthetic, tally)
    click.secho(str(tally), fg="yellow" if tally.refusals else "green")
    context.exit(1 if tally.refusals else 0)


def load(file: BinaryIO, tally: Tally) -> None:
    """Load the good lines of a file, a batch in each transaction."""
    try:
        lines = RowFile(file)
    except HeaderError as error:
        raise click.ClickException(f"{error}.") from None
    if lines.ignored:
        click.echo(f"Columns that are not looked at: {', '.join(lines.ignored)}", err=True)
    with progress(size_of(file), "Loading") as bar:
        for batch in batches(lines, BATCH):
            rows = [line for line in batch if isinstance(line, Row)]
            kept = in_transaction(db.engine, partial(keep, rows=rows))
            tally.add(kept, batch[-1].line)
            tally.refuse([line for line in batch if isinstance(line, Refusal)])
            if bar.length:
                bar.update(file.tell() - bar.pos)


def invent(number: int, tally: Tally) -> None:
    """Add invented cities until there are so many in all. The same ids get the same cities, on every machine."""
    if not in_transaction(db.engine, has_countries):
        raise click.ClickException("invented cities lie in Sakila's countries. Run ./run seed first.")
    missing = number - in_transaction(db.engine, count_cities)
    first = in_transaction(db.engine, highest_id) + 1
    if first + missing - 1 > MAX_ID:
        raise click.ClickException(f"the highest id is {first - 1}, and ids end at {MAX_ID}.")
    names = Names()
    with progress(max(0, missing), "Inventing") as bar:
        for start in range(first, first + missing, BATCH):
            cities = names.cities(start, min(start + BATCH, first + missing) - 1)
            in_transaction(db.engine, partial(keep_invented, cities=cities, first=start))
            tally.add(Kept(cities=len(cities)))
            bar.update(len(cities))
