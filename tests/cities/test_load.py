"""`flask load` on every database: good lines are in, bad ones are told, and nothing is there twice."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import make_url, text

from app.cities import commands
from testkit.databases import Database, alembic, migrate_and_seed, new_database
from testkit.proxy import Proxy
from testkit.servers import Server
from tests.conftest import dispose
from tests.support.kinds import on_one_server

# To a command both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")

BATCH = 50
LINES = 300


class Loading(NamedTuple):
    """A migrated and seeded database that these tests share, each with countries of its own."""

    database: Database
    app: Flask

    def run(self, *arguments: str, given: str | bytes | io.RawIOBase | None = None) -> Result:
        stream = io.BufferedReader(given, 512) if isinstance(given, io.RawIOBase) else given
        with self.app.app_context():
            return self.app.test_cli_runner().invoke(args=["load", *arguments], input=stream)

    def load(self, *lines: str, header: str = "city,country") -> Result:
        return self.run("-", given="\n".join([header, *lines]) + "\n")

    def cities(self, country: str) -> list[str]:
        query = "SELECT city FROM city JOIN country USING (country_id) WHERE country = :country ORDER BY city_id"
        with self.database.connect() as connection:
            return list(connection.scalars(text(query), {"country": country}))

    def scalar(self, query: str) -> Any:
        with self.database.connect() as connection:
            return connection.scalar(text(query))


@pytest.fixture(scope="module")
def loading(server: Server, make_lasting_app: Callable[..., Flask]) -> Iterator[Loading]:
    with new_database(server) as database:
        migrate_and_seed(database.url)
        app = make_lasting_app(DATABASE_URL=database.url)
        yield Loading(database, app)
        dispose(app)


@pytest.fixture
def in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands.load, "BATCH", BATCH)


class Stream(io.RawIOBase):
    """A file of many lines, of which something happens when half of it is read."""

    def __init__(self, country: str, happens: Callable[[], object]) -> None:
        lines = ["city,country", *(f"Town {number:05},{country}" for number in range(LINES))]
        self._data = io.BytesIO("\n".join(lines).encode())
        self._happens: Callable[[], object] | None = happens
        self._half = len(self._data.getvalue()) // 2

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._data.tell() > self._half and self._happens:
            happens, self._happens = self._happens, None
            happens()
        return self._data.readinto(memoryview(buffer)[:512])


def test_cities_and_their_countries_are_made_and_found(loading: Loading) -> None:
    result = loading.load("Amaurot,Utopia", "Saint-Élie-de-l’Île,Utopia", "Emerald City,Oz")

    assert result.exit_code == 0, result.output
    assert "Loaded 3 cities and made 2 countries. " in result.stdout
    assert "rows/s" in result.stdout
    assert loading.cities("Utopia") == ["Amaurot", "Saint-Élie-de-l’Île"]
    answer = loading.app.test_client().get("/?city=saint-elie-de-l'ile")
    assert answer.status_code == 200
    assert answer.text.startswith('City "saint-elie-de-l\'ile" is #')


def test_loading_again_adds_nothing(loading: Loading) -> None:
    lines = ["Lilliput City,Lilliput", "Mildendo,lilliput", "MILDENDO,Lilliput"]
    loading.load(*lines)

    again = loading.load(*lines, "Blefuscu Port,Lilliput")

    assert again.exit_code == 0, again.output
    assert "Loaded 1 city; 3 were there already." in again.stdout
    assert loading.cities("Lilliput") == ["Lilliput City", "Mildendo", "Blefuscu Port"]


def test_sakilas_own_file_is_there_already(loading: Loading) -> None:
    result = loading.run("app/cities/data/city.csv")

    assert result.exit_code == 0, result.output
    assert "Loaded 0 cities; 600 were there already." in result.stdout


def test_bad_lines_are_told_and_the_good_ones_are_in(loading: Loading) -> None:
    result = loading.load("Camelot,Logres", ",Logres", "Too,many,columns", f"{'x' * 51},Logres", "Carbonek,Logres")

    assert result.exit_code == 1
    assert "Loaded 2 cities and made 1 country; 3 lines were refused." in result.stdout
    assert result.stderr.splitlines() == [
        "line 3: city is empty",
        "line 4: has 3 columns, the header has 2",
        "line 5: city has 51 characters",
    ]
    assert loading.cities("Logres") == ["Camelot", "Carbonek"]


def test_of_many_bad_lines_some_are_shown_and_all_are_counted(loading: Loading, in_small_batches: None) -> None:
    result = loading.load(*[",Nowhere"] * 70)

    assert result.exit_code == 1
    assert "70 lines were refused" in result.stdout
    assert len(result.stderr.splitlines()) == 21
    assert result.stderr.splitlines()[-1] == "… and 50 more lines"


def test_ids_of_ones_own_are_kept_and_those_of_others_respected(loading: Loading) -> None:
    lines = ["5001,Rlyeh,60", "5002,Rlyeh,60", "312,Rlyeh,60", "312,London,102", "5003,Rlyeh,9999"]

    result = loading.load(*lines, header="city_id,city,country_id")
    loading.load("Yuggoth,Pluto")

    assert result.exit_code == 1
    assert "Loaded 2 cities; 1 was there already; 2 lines were refused." in result.stdout
    assert result.stderr.splitlines() == [
        "line 4: city_id 312 is another city's",
        "line 6: country_id 9999 is not there",
    ]
    assert loading.scalar("SELECT count(*) FROM city WHERE city = 'Rlyeh'") == 2
    # The database numbers on from there.
    assert loading.scalar("SELECT city_id FROM city WHERE city = 'Yuggoth'") > 5002


def test_columns_that_are_mixed_up_do_not_make_a_thousand_countries(
    loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands.storing, "MOST_COUNTRIES", loading.scalar("SELECT count(*) FROM country") + 1)

    result = loading.load("Peru,Tarma", "Peru,Chosica", header="city,country")

    assert "line 3: Chosica would be country number" in result.stderr
    assert result.exit_code == 1


@on_one_server
def test_what_cannot_be_understood_loads_nothing(loading: Loading) -> None:
    result = loading.run("-", given="Lima,Peru\n")

    assert result.exit_code == 1
    assert "Error: the first line must name the columns city and country" in result.stderr
    for arguments in ([], ["-", "--synthetic", "700"], ["--synthetic", "0"], ["no-such-file.csv"]):
        assert loading.run(*arguments).exit_code == 2


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(
    ("number", "country", "exit_code"), [(signal.SIGINT, "Erewhon", 130), (signal.SIGTERM, "Icaria", 143)]
)
def test_a_signal_keeps_whole_batches_and_the_same_command_goes_on(
    loading: Loading, in_small_batches: None, number: signal.Signals, country: str, exit_code: int
) -> None:
    stopped = loading.run("-", given=Stream(country, lambda: signal.raise_signal(number)))
    kept = len(loading.cities(country))
    stopped_again = loading.run("-", given=Stream(country, lambda: signal.raise_signal(number)))
    again = loading.run("-", given=Stream(country, lambda: None))

    assert stopped.exit_code == exit_code
    assert 0 < kept < LINES
    assert kept % BATCH == 0
    up_to = f"all lines up to {kept + 1} are done. Run the same command again to go on"
    assert f"Error: interrupted; {kept} cities were added; {up_to}" in stopped.stderr
    assert f"Error: interrupted; 0 cities were added, {kept} were there already; {up_to}" in stopped_again.stderr
    assert again.exit_code == 0, again.output
    assert f"Loaded {LINES - kept} cities; {kept} were there already." in again.stdout
    assert len(set(loading.cities(country))) == len(loading.cities(country)) == LINES


def test_database_that_goes_away_says_how_far_it_came(
    loading: Loading, make_app: Callable[..., Flask], in_small_batches: None
) -> None:
    url = make_url(loading.database.url)
    if url.get_backend_name() == "sqlite":
        return  # a file does not go away
    assert url.host
    assert url.port
    with Proxy(url.host, url.port, is_mysql=url.get_backend_name() != "postgresql") as proxy:

        def go_away() -> None:
            proxy.refuse()
            proxy.close_all()

        app = make_app(DATABASE_URL=proxy.url(url), DATABASE_TLS="off")
        stopped = Loading(loading.database, app).run("-", given=Stream("Ruritania", go_away))
        kept = len(loading.cities("Ruritania"))
        proxy.heal()
        again = Loading(loading.database, app).run("-", given=Stream("Ruritania", lambda: None))
        dispose(app)

    assert stopped.exit_code == 1
    assert 0 < kept < LINES
    assert f"{kept} cities were added; all lines up to {kept + 1} are done. Run the same" in stopped.stderr
    assert "Traceback" not in stopped.output
    assert again.exit_code == 0, again.output
    assert len(set(loading.cities("Ruritania"))) == len(loading.cities("Ruritania")) == LINES


def test_cities_are_invented_until_there_are_so_many(loading: Loading) -> None:
    before = loading.scalar("SELECT count(*) FROM city")

    first = loading.run("--synthetic", str(before + 300))
    again = loading.run("--synthetic", str(before + 300))
    more = loading.run("--synthetic", str(before + 320))

    assert "Loaded 300 cities" in first.stdout
    assert again.stdout == "Nothing to do.\n"
    assert "Loaded 20 cities" in more.stdout
    assert loading.scalar("SELECT count(*) FROM city") == before + 320
    assert loading.app.test_client().get("/?city=London").text == 'City "London" is #312\n'
    assert loading.load("Xanadu,Tartary").exit_code == 0  # numbered behind them


@on_one_server
def test_invented_cities_need_sakilas_countries(empty_database: Database, make_app: Callable[..., Flask]) -> None:
    assert alembic(empty_database.url, "upgrade", "head").returncode == 0
    app = make_app(DATABASE_URL=empty_database.url)

    result = Loading(empty_database, app).run("--synthetic", "700")
    dispose(app)

    assert result.exit_code == 1
    assert "Run ./run seed first" in result.stderr
