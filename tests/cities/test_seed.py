"""`flask seed`: fills empty tables once, says what it did, and leaves everything else alone."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import make_url, text

from app.cities import commands
from app.extensions import db
from testkit.databases import Database, alembic, flask, migrate_and_seed
from tests.cities import sakila as cities
from tests.support.pools import steady

# To a command both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")


@pytest.fixture
def migrated(empty_database: Database) -> Database:
    done = alembic(empty_database.url, "upgrade", "head")
    assert done.returncode == 0, done.stderr
    return empty_database


@pytest.fixture
def seed(migrated: Database, make_app: Callable[..., Flask]) -> Callable[..., Result]:
    """Run `flask seed` on the tables that are there."""
    return seeding(make_app, migrated)


def seeding(make_app: Callable[..., Flask], database: Database) -> Callable[..., Result]:
    # A connection for each use: the database is dropped before the application ends.
    app = make_app(DATABASE_URL=database.url, POOL_STRATEGY="request")

    def seed(*options: str) -> Result:
        with app.app_context():
            return app.test_cli_runner().invoke(args=["seed", *options])

    return seed


def counts(database: Database) -> tuple[int, int]:
    with database.connect() as connection:
        return tuple(connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("country", "city"))


def test_seed_fills_the_tables_and_says_so(migrated: Database, seed: Callable[..., Result]) -> None:
    result = seed()

    assert result.exit_code == 0, result.output
    assert "109 countries" in result.output
    assert "600 cities" in result.output
    with migrated.connect() as connection:
        stored = connection.execute(text("SELECT city_id, city, country_id FROM city ORDER BY city_id")).all()
        countries = connection.execute(text("SELECT country_id, country FROM country ORDER BY country_id")).all()
    assert stored == [(int(row["city_id"]), row["city"], int(row["country_id"])) for row in cities.rows("city")]
    assert countries == [(int(row["country_id"]), row["country"]) for row in cities.rows("country")]


def test_it_leaves_no_connection_open(migrated: Database, make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL=migrated.url)

    with app.app_context():
        assert app.test_cli_runner().invoke(args=["seed"]).exit_code == 0
        assert [steady(engine).checkedin() for engine in db.engines.values()] == [0, 0]
    if migrated.name == "sqlite":  # whose last connection clears up behind it
        assert not Path(f"{make_url(migrated.url).database}-wal").exists()


def test_seeding_again_changes_nothing_and_says_so(migrated: Database, seed: Callable[..., Result]) -> None:
    seed()

    result = seed()

    assert result.exit_code == 0, result.output
    assert "nothing to do" in result.output
    assert counts(migrated) == (109, 600)


@pytest.mark.parametrize("change", ["another country", "another city", "a renamed city", "a missing city"])
def test_rows_of_somebody_else_are_refused(migrated: Database, seed: Callable[..., Result], change: str) -> None:
    statements = {
        "another country": ["INSERT INTO country (country_id, country) VALUES (1, 'Utopia')"],
        "another city": [
            "INSERT INTO country (country_id, country) VALUES (1, 'Utopia')",
            "INSERT INTO city (city_id, city, city_key, country_id) VALUES (1, 'Amaurot', 'amaurot', 1)",
        ],
        "a renamed city": ["UPDATE city SET city = 'Londinium' WHERE city_id = 312"],
        "a missing city": ["DELETE FROM city WHERE city_id = 312"],
    }[change]
    if change in ("a renamed city", "a missing city"):
        seed()
    with migrated.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    before = counts(migrated)

    result = seed()

    assert result.exit_code != 0
    assert "nothing was changed" in result.output
    assert counts(migrated) == before


def test_rows_of_somebody_else_may_be_left_alone_without_an_error(
    migrated: Database, seed: Callable[..., Result]
) -> None:
    with migrated.connect() as connection:
        connection.execute(text("INSERT INTO country (country_id, country) VALUES (1, 'Utopia')"))

    result = seed("--if-empty")

    assert result.exit_code == 0, result.output
    assert "Not seeded" in result.output
    assert counts(migrated) == (1, 0)


def test_without_tables_it_says_what_to_do(empty_database: Database, make_app: Callable[..., Flask]) -> None:
    with empty_database.connect():
        pass  # SQLite is a file: an empty database is an empty one

    result = seeding(make_app, empty_database)()

    assert result.exit_code != 0
    assert "migrate" in result.output


def test_an_error_half_way_leaves_nothing_behind(
    migrated: Database, seed: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = commands.seed.read_cities()
    monkeypatch.setattr(commands.seed, "read_cities", lambda: [*good, {**good[0], "city_id": 601, "country_id": None}])

    result = seed()

    assert result.exit_code != 0
    assert counts(migrated) == (0, 0)


@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_half_way_leaves_nothing_behind_and_the_same_command_goes_on(
    migrated: Database, seed: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted when all rows are sent, just before the commit: it cannot be later."""
    for number, exit_code in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
        with monkeypatch.context() as patched:
            patched.setattr(commands.seed, "continue_numbering", lambda *_, number=number: signal.raise_signal(number))
            stopped = seed()

        assert stopped.exit_code == exit_code
        assert "Error: interrupted; all rows are there, or none" in stopped.stderr
        assert counts(migrated) == (0, 0)

    assert seed().exit_code == 0
    assert counts(migrated) == (109, 600)


def test_two_at_the_same_time_seed_once(migrated: Database) -> None:
    with ThreadPoolExecutor(2) as both:
        ends = [future.result() for future in [both.submit(flask, migrated.url, "seed") for _ in range(2)]]

    assert [end.returncode for end in ends] == [0, 0], [end.stderr for end in ends]
    assert sum("nothing to do" in end.stdout for end in ends) == 1
    assert counts(migrated) == (109, 600)


def test_ids_go_on_after_the_seed(empty_database: Database) -> None:
    """The seed gives ids by hand; the next city gets the next one."""
    migrate_and_seed(empty_database.url)

    with empty_database.connect() as connection:
        connection.execute(text("INSERT INTO city (city, city_key, country_id) VALUES ('Zürich', 'zurich', 91)"))
        assert connection.scalar(text("SELECT max(city_id) FROM city")) == 601
