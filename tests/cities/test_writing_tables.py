"""Writing where the tables are others, the characters fewer, or the rights."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from testkit.databases import Database, alembic, migrate_and_seed, plain_engine
from testkit.drivers import MYSQLDB
from tests.cities.client import TOKEN, Api, a_name
from tests.cities.foreign_sakila import somebody_elses_sakila
from tests.cities.narrow import narrow_database
from tests.conftest import obtain_or_skip
from tests.support.problems import assert_problem
from tests.support.tampering import user_who_may

# To a write both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")

Make = Callable[..., Flask]
DML = "SELECT, INSERT, UPDATE, DELETE"


def api_on(make_app: Make, url: str) -> Api:
    return Api(make_app(DATABASE_URL=url, API_TOKEN=TOKEN))


def assert_nothing_can_be_written(api: Api, status: int, slug: str) -> None:
    body, headers = {"name": a_name(), "country_id": 1}, {"If-Match": "*"}
    for method, path in [("POST", ""), ("PUT", "/1"), ("PATCH", "/1"), ("DELETE", "/1")]:
        for key in ({}, {"Idempotency-Key": "abc"}):
            response = api.send(method, f"/api/v1/cities{path}", json=body, headers=headers | key)
            assert_problem(response, status, slug)


class TestTables:
    @pytest.mark.parametrize("name", ["mariadb", "mysql"])
    def test_a_sakila_of_somebody_else_is_only_read(
        self, request: pytest.FixtureRequest, make_app: Make, name: str
    ) -> None:
        with somebody_elses_sakila(obtain_or_skip(request.config, name)) as made:
            api = api_on(make_app, made.url)

            assert_nothing_can_be_written(api, 409, "schema-unsupported")
            assert api.client.get("/?city=London").status_code == 200

    def test_without_tables_there_is_nothing_to_write_to(self, empty_database: Database, make_app: Make) -> None:
        with empty_database.connect():  # a SQLite file must be there
            pass

        assert_nothing_can_be_written(api_on(make_app, empty_database.url), 503, "schema-missing")

    def test_tables_that_are_migrated_later_are_written_to(self, empty_database: Database, make_app: Make) -> None:
        """Those of the first revision lack the one for keys."""
        assert alembic(empty_database.url, "upgrade", "0001").returncode == 0
        api = api_on(make_app, empty_database.url)
        before = api.add(a_name(), Idempotency_Key="abc")

        migrate_and_seed(empty_database.url)
        after = api.add(a_name(), Idempotency_Key="abc")

        assert_problem(before, 503, "schema-missing")
        assert after.status_code == 201


NARROW = [("mariadb", "latin1"), ("mysql", "latin1"), ("postgresql", "LATIN1")]


@pytest.fixture(params=NARROW, ids="-".join, scope="module")
def narrow(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of ours whose names cannot hold every character."""
    name, encoding = request.param
    with narrow_database(obtain_or_skip(request.config, name), encoding) as made:
        with made.connect() as connection:
            connection.execute(text("INSERT INTO country (country_id, country) VALUES (1, 'Utopia')"))
        yield made


@pytest.mark.parametrize("name", ["東京", "Malm😀", "łódź"])
def test_characters_that_a_database_cannot_hold_are_an_error_of_the_field(
    narrow: Database, make_app: Make, name: str
) -> None:
    api = api_on(make_app, narrow.url)
    added = api.add("Malmö", Idempotency_Key=secrets.token_hex(8))
    assert added.get_json()["name"] == "Malmö"

    for response in (api.add(name, Idempotency_Key=secrets.token_hex(8)), api.change("PATCH", added, {"name": name})):
        assert_problem(response, 422, "invalid-content", fields=["#/name"])
    assert api.client.get(added.location or "").headers["ETag"] == added.headers["ETag"]


@pytest.mark.parametrize("narrow", NARROW[:2], indirect=True, ids="-".join)
def test_nor_does_a_server_that_is_not_strict_keep_question_marks(narrow: Database, make_app: Make) -> None:
    api = api_on(make_app, f"{narrow.url}?init_command=SET%20sql_mode%3D%27%27")

    response = api.add("東京")

    assert_problem(response, 422, "invalid-content", fields=["#/name"])
    assert "?" not in api.client.get("/api/v1/cities").text


@pytest.mark.parametrize("driver", ["mysqlconnector", MYSQLDB])
@pytest.mark.parametrize("server", ["mariadb", "mysql"], indirect=True, scope="session")
def test_each_driver_finds_names_and_knows_a_key_that_was_used_and_a_country_that_is_not_there(
    writable: Database, make_app: Make, driver: str
) -> None:
    url = make_url(writable.url)
    name = url.set(drivername=f"{url.get_backend_name()}+{driver}").render_as_string(hide_password=False)
    api, nonce = api_on(make_app, name), a_name()

    key = secrets.token_hex(8)
    first, again = (api.add(nonce, Idempotency_Key=key) for _ in range(2))

    assert first.status_code == 201
    assert first.data == again.data
    assert_problem(api.add(nonce, country_id=30_000), 422, "invalid-content", fields=["#/country_id"])
    assert api.change("DELETE", first).status_code == 204
    for city, city_id in {"London": 312, "são LEOPOLDO": 486, "Xi'angtan": 579, "sostka": 385}.items():
        assert api.client.get("/", query_string={"city": city}).text == f'City "{city}" is #{city_id}\n'
    assert len(api.client.get("/api/v1/cities?prefix=sa&limit=5").get_json()["items"]) == 5
    assert api.client.get("/readyz").status_code == 200


@pytest.mark.parametrize("server", ["mariadb", "mariadb118", "mysql", "postgresql"], indirect=True, scope="session")
class TestRights:
    def test_rows_are_all_that_a_writer_needs(self, writable: Database, make_app: Make) -> None:
        key = secrets.token_hex(8)
        with user_who_may(writable, DML) as url:
            api = api_on(make_app, url)
            added = api.add(a_name(), Idempotency_Key=key)
            answers = [
                api.change(
                    method, added, {"name": a_name(), "country_id": 1}, If_Match="*", Idempotency_Key=key + method
                )
                for method in ("PUT", "PATCH", "DELETE")
            ]
            with pytest.raises(DBAPIError, match=r"denied|must be owner"), plain_engine(url).begin() as connection:
                connection.execute(text("ALTER TABLE city ADD COLUMN mayor INTEGER"))

        assert [added.status_code, *(answer.status_code for answer in answers)] == [201, 200, 200, 204]

    def test_who_may_only_read_is_a_matter_of_the_operators(self, writable: Database, make_app: Make) -> None:
        with user_who_may(writable, "SELECT") as url:
            response = api_on(make_app, url).add(a_name(), Idempotency_Key=secrets.token_hex(8))

        assert_problem(response, 503, "database-misconfigured")
