"""`flask seed`: fills empty tables once, says what it did, and leaves everything else alone."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import make_url, text

from app.cities import commands
from app.extensions import db
from testkit.databases import Database, alembic, flask, new_database
from testkit.servers import Server
from tests.cities import sakila as cities
from tests.support.pools import steady

# To a command both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")

UTOPIA = "INSERT INTO country (country_id, country) VALUES (1, 'Utopia')"
AMAUROT = "INSERT INTO city (city_id, city, city_key, country_id) VALUES (1, 'Amaurot', 'amaurot', 1)"


class Seeding(NamedTuple):
    """The tables to be seeded, and the application that does it."""

    database: Database
    app: Flask

    def seed(self, *options: str) -> Result:
        with self.app.app_context():
            return self.app.test_cli_runner().invoke(args=["seed", *options])

    def execute(self, *statements: str) -> None:
        with self.database.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def counts(self) -> tuple[int, ...]:
        with self.database.connect() as connection:
            return tuple(connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("country", "city"))


@pytest.fixture(scope="module")
def migrated(server: Server, make_lasting_app: Callable[..., Flask]) -> Iterator[Seeding]:
    with new_database(server) as database:
        done = alembic(database.url, "upgrade", "head")
        assert done.returncode == 0, done.stderr
        # A connection for each use: the database is dropped before the application ends.
        yield Seeding(database, make_lasting_app(DATABASE_URL=database.url, POOL_STRATEGY="request"))


@pytest.fixture
def tables(migrated: Seeding) -> Iterator[Seeding]:
    """Empty tables."""
    yield migrated
    migrated.execute("DELETE FROM city", "DELETE FROM country")


def test_seed_fills_the_tables_once_and_says_so(tables: Seeding) -> None:
    result, again = tables.seed(), tables.seed()

    assert (result.exit_code, again.exit_code) == (0, 0), result.output + again.output
    assert "109 countries" in result.output
    assert "600 cities" in result.output
    assert "nothing to do" in again.output
    with tables.database.connect() as connection:
        stored = connection.execute(text("SELECT city_id, city, country_id FROM city ORDER BY city_id")).all()
        countries = connection.execute(text("SELECT country_id, country FROM country ORDER BY country_id")).all()
        # The seed gives ids by hand; the next city gets the next one.
        connection.execute(text("INSERT INTO city (city, city_key, country_id) VALUES ('Zürich', 'zurich', 91)"))
        assert connection.scalar(text("SELECT max(city_id) FROM city")) == 601
    assert stored == [(int(row["city_id"]), row["city"], int(row["country_id"])) for row in cities.rows("city")]
    assert countries == [(int(row["country_id"]), row["country"]) for row in cities.rows("country")]


def test_it_leaves_no_connection_open(tables: Seeding, make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL=tables.database.url)

    assert Seeding(tables.database, app).seed().exit_code == 0
    with app.app_context():
        assert [steady(engine).checkedin() for engine in db.engines.values()] == [0, 0]
    if tables.database.name == "sqlite":  # whose last connection clears up behind it
        assert not Path(f"{make_url(tables.database.url).database}-wal").exists()


@pytest.mark.parametrize(
    ("seeded", "statements"),
    [
        (False, [UTOPIA]),
        (False, [UTOPIA, AMAUROT]),
        (True, ["UPDATE city SET city = 'Londinium' WHERE city_id = 312"]),
        (True, ["DELETE FROM city WHERE city_id = 312"]),
    ],
    ids=["another country", "another city", "a renamed city", "a missing city"],
)
def test_rows_of_somebody_else_are_refused_or_left_alone(tables: Seeding, seeded: bool, statements: list[str]) -> None:
    if seeded:
        tables.seed()
    tables.execute(*statements)
    before = tables.counts()

    refused, left_alone = tables.seed(), tables.seed("--if-empty")

    assert refused.exit_code != 0
    assert "nothing was changed" in refused.output
    assert left_alone.exit_code == 0, left_alone.output
    assert "Not seeded" in left_alone.output
    assert tables.counts() == before


def test_without_tables_it_says_what_to_do(empty_database: Database, make_app: Callable[..., Flask]) -> None:
    with empty_database.connect():
        pass  # SQLite is a file: an empty database is an empty one

    result = Seeding(empty_database, make_app(DATABASE_URL=empty_database.url, POOL_STRATEGY="request")).seed()

    assert result.exit_code != 0
    assert "migrate" in result.output


def test_an_error_half_way_leaves_nothing_behind(tables: Seeding, monkeypatch: pytest.MonkeyPatch) -> None:
    good = commands.seed.read_cities()
    monkeypatch.setattr(commands.seed, "read_cities", lambda: [*good, {**good[0], "country_id": None}])

    result = tables.seed()

    assert result.exit_code != 0
    assert tables.counts() == (0, 0)


@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_half_way_leaves_nothing_behind_and_the_same_command_goes_on(
    tables: Seeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted when all rows are sent, just before the commit: it cannot be later."""
    for number, exit_code in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
        with monkeypatch.context() as patched:
            patched.setattr(commands.seed, "continue_numbering", lambda *_, number=number: signal.raise_signal(number))
            stopped = tables.seed()

        assert stopped.exit_code == exit_code
        assert "Error: interrupted; all rows are there, or none" in stopped.stderr
        assert tables.counts() == (0, 0)

    assert tables.seed().exit_code == 0
    assert tables.counts() == (109, 600)


def test_two_at_the_same_time_seed_once(tables: Seeding) -> None:
    with ThreadPoolExecutor(2) as both:
        ends = [future.result() for future in [both.submit(flask, tables.database.url, "seed") for _ in range(2)]]

    assert [end.returncode for end in ends] == [0, 0], [end.stderr for end in ends]
    assert sum("nothing to do" in end.stdout for end in ends) == 1
    assert tables.counts() == (109, 600)
