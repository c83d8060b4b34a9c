"""Writing where the tables are others, the characters fewer, or the rights."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from testkit.databases import Database, administer, alembic, migrate_and_seed, new_database, plain_engine
from testkit.drivers import MYSQLDB
from tests.cities.client import TOKEN, Api, a_name
from tests.cities.foreign_sakila import somebody_elses_sakila
from tests.conftest import obtain_or_skip
from tests.support.problems import assert_problem
from tests.support.tampering import user_who_may

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


@pytest.fixture(params=NARROW, ids="-".join)
def narrow(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of ours whose names cannot hold every character."""
    name, encoding = request.param
    server = obtain_or_skip(request.config, name)
    if name != "postgresql":
        with new_database(server) as made:
            migrate_and_seed(made.url)
            with made.connect() as connection:
                connection.execute(text("DELETE FROM city WHERE city <> 'London'"))
                changed = "city VARCHAR(50) CHARACTER SET latin1 NOT NULL"
                connection.execute(text(f"ALTER TABLE city MODIFY {changed}"))
            yield made
        return
    database, admin = f"narrow_{secrets.token_hex(4)}", server.url.render_as_string(hide_password=False)
    administer(admin, f"CREATE DATABASE {database} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    url = server.url.set(database=database).render_as_string(hide_password=False)
    assert alembic(url, "upgrade", "head").returncode == 0
    with plain_engine(url).begin() as connection:
        connection.execute(text("INSERT INTO country (country_id, country) VALUES (1, 'Utopia')"))
    yield Database(name, url, admin, server)
    administer(admin, f"DROP DATABASE {database} WITH (FORCE)")


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


@pytest.mark.parametrize("name", ["mariadb", "mysql"])
def test_nor_does_a_server_that_is_not_strict_keep_question_marks(
    request: pytest.FixtureRequest, make_app: Make, name: str
) -> None:
    with new_database(obtain_or_skip(request.config, name)) as made:
        migrate_and_seed(made.url)
        with made.connect() as connection:
            connection.execute(text("DELETE FROM city WHERE city <> 'London'"))
            connection.execute(text("ALTER TABLE city MODIFY city VARCHAR(50) CHARACTER SET latin1 NOT NULL"))
        api = api_on(make_app, f"{made.url}?init_command=SET%20sql_mode%3D%27%27")

        response = api.add("東京")

        assert_problem(response, 422, "invalid-content", fields=["#/name"])
        assert api.client.get("/api/v1/cities").get_json()["items"][0]["name"] == "London"


@pytest.fixture(params=["mariadb", "mariadb118", "mysql", "postgresql"])
def served(request: pytest.FixtureRequest) -> Iterator[Database]:
    with new_database(obtain_or_skip(request.config, request.param)) as made:
        migrate_and_seed(made.url)
        yield made


@pytest.mark.parametrize("driver", ["mysqlconnector", MYSQLDB])
@pytest.mark.parametrize("served", ["mariadb", "mysql"], indirect=True)
def test_each_driver_knows_a_key_that_was_used_and_a_country_that_is_not_there(
    served: Database, make_app: Make, driver: str
) -> None:
    url = make_url(served.url)
    name = url.set(drivername=f"{url.get_backend_name()}+{driver}").render_as_string(hide_password=False)
    api, nonce = api_on(make_app, name), a_name()

    first, again = (api.add(nonce, Idempotency_Key="abc") for _ in range(2))

    assert first.status_code == 201
    assert first.data == again.data
    assert_problem(api.add(nonce, country_id=30_000), 422, "invalid-content", fields=["#/country_id"])
    assert api.change("DELETE", first).status_code == 204


class TestRights:
    def test_rows_are_all_that_a_writer_needs(self, served: Database, make_app: Make) -> None:
        with user_who_may(served, DML) as url:
            api = api_on(make_app, url)
            added = api.add(a_name(), Idempotency_Key="abc")
            answers = [
                api.change(method, added, {"name": a_name(), "country_id": 1}, If_Match="*", Idempotency_Key=method)
                for method in ("PUT", "PATCH", "DELETE")
            ]
            with pytest.raises(DBAPIError, match=r"denied|must be owner"), plain_engine(url).begin() as connection:
                connection.execute(text("ALTER TABLE city ADD COLUMN mayor INTEGER"))

        assert [added.status_code, *(answer.status_code for answer in answers)] == [201, 200, 200, 204]

    def test_who_may_only_read_is_a_matter_of_the_operators(self, served: Database, make_app: Make) -> None:
        with user_who_may(served, "SELECT") as url:
            response = api_on(make_app, url).add(a_name(), Idempotency_Key="abc")

        assert_problem(response, 503, "database-misconfigured")
