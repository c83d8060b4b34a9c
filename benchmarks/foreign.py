"""`python -m benchmarks.foreign`: a Sakila of somebody else beside our own tables, requests/s in one run.

Our tables have the folded key; somebody else's have the collation of their column, and an index on it or none. Each
has a server of one worker and 16 threads, all on one MariaDB; 16 clients ask one after the other, in rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import text

from benchmarks.bench import wrk
from benchmarks.bench.ground import what_is_missing
from benchmarks.stacks import STACKS, Running
from testkit.databases import Database, migrate_and_seed, new_database
from testkit.servers import start_mariadb_locally

CLIENTS = 16
OWN, INDEXED, BARE = "our own tables", "somebody else's, index on city", "somebody else's, no index"


def main() -> None:
    """Print a line for each: the median of its rounds, and how it stands to our own tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.foreign", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    asked = parser.parse_args()
    if missing := what_is_missing():
        sys.exit(missing)
    with running() as (stacks, names):
        rounds = [one_round(stacks, names, asked.seconds, backwards=number % 2 == 1) for number in range(asked.rounds)]
    for name in stacks:
        rate = statistics.median(each[name] for each in rounds)
        ratio = statistics.median(each[name] / each[OWN] for each in rounds)
        print(f"{name:32} {rate:6,.0f} requests/s, {ratio:.2f} x our own tables")


@contextmanager
def running() -> Iterator[tuple[dict[str, Running], Path]]:
    """Yield a server for each, warm, and the file of names to ask for."""
    server = start_mariadb_locally("--skip-ssl")
    with ExitStack() as closing:
        closing.callback(server.stop)
        own, indexed, bare = (closing.enter_context(new_database(server)) for _ in range(3))
        for database in (own, indexed, bare):
            migrate_and_seed(database.url)
        make_foreign(indexed, "ADD INDEX by_somebody (city)")
        make_foreign(bare)
        urls = {OWN: own.url, INDEXED: indexed.url, BARE: bare.url}
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        names = wrk.write_names(folder)
        made = {name: closing.enter_context(STACKS["ours"].start(url, folder)) for name, url in urls.items()}
        one_round(made, names, 2, backwards=False)
        yield made, names


def make_foreign(database: Database, *more: str) -> None:
    """Take from our tables what no Sakila of somebody else has: the folded key, its indexes, the version."""
    changes = ("ADD INDEX (country_id)", "DROP INDEX ix_city_country_key", "DROP INDEX ix_city_key", "DROP city_key")
    with database.connect() as connection:
        connection.execute(text(f"ALTER TABLE city {', '.join((*changes, *more))}"))
        connection.execute(text("DROP TABLE alembic_version"))


def one_round(stacks: dict[str, Running], names: Path, seconds: int, *, backwards: bool) -> dict[str, float]:
    """Return the requests/s of each, asked in turn: in rounds there and back, so that no place in the row is better."""
    row = reversed(list(stacks.items())) if backwards else stacks.items()
    return {name: per_second(stack, names, seconds) for name, stack in row}


def per_second(stack: Running, names: Path, seconds: int) -> float:
    """Return how many answers came in a second; ends the program if one was wrong."""
    counted = wrk.load(stack.url, names, CLIENTS, seconds)
    if counted["wrong"] or counted["failed"]:
        sys.exit(f"not all answers were right: {counted}")
    return float(counted["right"] / counted["seconds"])


if __name__ == "__main__":
    main()
