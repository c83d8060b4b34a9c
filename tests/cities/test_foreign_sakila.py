"""A Sakila that somebody else made: the original schema, and a user who may read two tables and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pymysql
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from testkit.databases import Database, administer, alembic, flask, plain_engine
from tests.cities.foreign_sakila import somebody_elses_sakila
from tests.cities.test_api import pages
from tests.cities.test_names import in_all_spellings, wrong_ids
from tests.conftest import dispose, obtain_or_skip


@pytest.fixture(scope="module", params=["mariadb", "mariadb118", "mysql"])
def foreign(request: pytest.FixtureRequest) -> Iterator[Database]:
    """That database, with the address of the user who may only read."""
    with somebody_elses_sakila(obtain_or_skip(request.config, request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def reader(foreign: Database, make_lasting_app: Callable[..., Flask]) -> Iterator[FlaskClient]:
    app = make_lasting_app(DATABASE_URL=foreign.url)
    yield app.test_client()
    dispose(app)


@pytest.mark.no_cover  # hundreds of times the same lines, which others cover: measuring them takes half the time
def test_every_name_finds_its_city(reader: FlaskClient) -> None:
    assert not wrong_ids(reader, in_all_spellings())


@pytest.mark.parametrize("name", ["%", "Lond%", "Lond_n", "\\", "London\\", "'", "´", "😀", "Londn", "Xiangtan"])
def test_patterns_and_near_misses_find_nothing(reader: FlaskClient, name: str) -> None:
    assert reader.get("/", query_string={"city": name}).status_code == 404


def test_ready_and_unmanaged(reader: FlaskClient) -> None:
    response = reader.get("/readyz")

    assert response.status_code == 200
    assert "unmanaged" in response.get_data(as_text=True)


def test_every_city_is_listed_once(reader: FlaskClient) -> None:
    seen = [city["id"] for page in pages(reader, "/api/v1/cities?limit=100") for city in page]

    assert seen == list(range(1, 601))


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("cities?name=LONDON", [312, 313]),
        ("cities?country_id=102&prefix=lon", [312]),
        ("cities?prefix=sao%20leo", [486]),
        ("countries?limit=3", [1, 2, 3]),
    ],
)
def test_lists(reader: FlaskClient, path: str, ids: list[int]) -> None:
    assert [item["id"] for item in reader.get(f"/api/v1/{path}").get_json()["items"]] == ids


def test_a_city_by_id(reader: FlaskClient) -> None:
    assert reader.get("/api/v1/cities/312").get_json()["country"] == {"id": 102, "name": "United Kingdom"}


def test_nothing_but_reading_is_tried(foreign: Database, make_app: Callable[..., Flask]) -> None:
    """The server's own log of what this user sent, from the first connection on."""
    ask = make_app(DATABASE_URL=foreign.url, POOL_STRATEGY="request").test_client()

    with server_log(foreign) as sent:
        for path in ("/?city=London", "/readyz", "/api/v1/cities", "/api/v1/countries", "/api/v1/cities/1"):
            assert ask.get(path).status_code == 200

    assert any(statement.startswith("SELECT") for statement in sent)
    harmless = ("SELECT", "SET NAMES", "SET AUTOCOMMIT", "SET SESSION TRANSACTION", "SET SESSION MAX_", "ROLLBACK")
    assert [statement for statement in sent if not statement.upper().startswith((*harmless, "COMMIT"))] == []


def test_a_page_offers_no_near_spellings_and_asks_for_none(foreign: Database, make_app: Callable[..., Flask]) -> None:
    browser = make_app(DATABASE_URL=foreign.url, POOL_STRATEGY="request").test_client()
    browser.get("/?city=London")

    with server_log(foreign) as sent:
        response = browser.get("/?city=Lundon", headers={"Accept": "text/html"})

    assert response.status_code == 404
    assert "Did you mean" not in response.text
    # The server keeps the statements of other tests, too.
    assert len([statement for statement in sent if "lundon" in statement.lower()]) == 1


@pytest.mark.parametrize("command", ["migrate", "seed"])
def test_the_commands_leave_it_alone(foreign: Database, command: str) -> None:
    done = alembic(foreign.url, "upgrade", "head") if command == "migrate" else flask(foreign.url, "seed")

    assert done.returncode != 0
    assert "nothing was changed" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    with foreign.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM city")) == 600


class server_log:  # noqa: N801 - reads as a function
    """Collects what the user of a database sends, from the server's general log."""

    def __init__(self, database: Database) -> None:
        self.user = make_url(database.url).username
        self.admin = plain_engine(database.admin_url)
        self.statements: list[str] = []

    def __enter__(self) -> list[str]:
        with self.admin.connect() as connection:
            self.before = connection.execute(text("SELECT @@GLOBAL.log_output, @@GLOBAL.general_log")).one()
            self.since = connection.scalar(text("SELECT now(6)"))
        try:
            self._set("TABLE", 1)
        except DBAPIError as error:
            if isinstance(error.orig, pymysql.OperationalError):
                pytest.fail("the tests' user may not switch the general log on (SUPER, or SYSTEM_VARIABLES_ADMIN)")
            raise
        return self.statements

    def __exit__(self, *_: object) -> None:
        with self.admin.connect() as connection:
            found = connection.execute(
                text(
                    "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log "
                    "WHERE user_host LIKE :user AND command_type IN ('Query', 'Prepare', 'Execute') "
                    "AND event_time >= :since ORDER BY event_time"
                ),
                {"user": f"%{self.user}%", "since": self.since},
            )
            self.statements += [" ".join(statement.split()) for (statement,) in found]
        self._set(*self.before)

    def _set(self, output: str, on: int) -> None:
        administer(self.admin.url, f"SET GLOBAL log_output = '{output}'", f"SET GLOBAL general_log = {on}")
