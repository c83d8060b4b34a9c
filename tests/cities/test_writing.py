"""POST, PUT, PATCH and DELETE of cities: what is kept, what is answered, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from testkit.databases import Database
from tests.cities.client import CITIES, TOKEN, Api, a_name, times_kept
from tests.faults.support import pool_of, writer_of
from tests.support.pools import steady
from tests.support.problems import assert_problem


class TestAdd:
    def test_what_is_added_is_answered_and_found_by_any_spelling(self, api: Api) -> None:
        response = api.add("Ægilshöfn", country_id=49)

        assert response.status_code == 201
        city = response.get_json()
        assert city == {"id": city["id"], "name": "Ægilshöfn", "country": {"id": 49, "name": "Italy"}}
        assert response.location == f"{CITIES}/{city['id']}"
        assert response.headers["Cache-Control"] == "no-store"
        assert api.client.get("/?city=ÆGILSHOFN").text == f'City "ÆGILSHOFN" is #{city["id"]}\n'

    def test_the_etag_is_the_one_that_a_get_has(self, api: Api) -> None:
        added = api.add(a_name())

        shown = api.client.get(added.location or "")

        assert shown.headers["ETag"] == added.headers["ETag"]
        assert shown.data == added.data

    def test_two_cities_may_have_one_name(self, api: Api, writable: Database) -> None:
        name = a_name()

        assert {api.add(name).status_code for _ in range(2)} == {201}
        assert times_kept(writable, name) == 2

    def test_outer_blanks_are_left_out_and_fifty_characters_fit(self, api: Api) -> None:
        name = "ß" * 50  # of which each becomes two in the key

        assert api.add(f"  {name} ").get_json()["name"] == name

    def test_a_country_that_is_not_there_is_an_error_of_its_field(self, api: Api, writable: Database) -> None:
        name = a_name()

        response = api.add(name, country_id=30_000)

        assert_problem(response, 422, "invalid-content", fields=["#/country_id"])
        assert times_kept(writable, name) == 0


class TestChange:
    def test_put_gives_all_fields_anew(self, api: Api) -> None:
        added, name = api.add(a_name()), a_name()

        response = api.change("PUT", added, {"name": name, "country_id": 2})

        assert response.status_code == 200
        city = {"id": added.get_json()["id"], "name": name, "country": {"id": 2, "name": "Algeria"}}
        shown = api.client.get(added.location or "")
        assert response.get_json() == shown.get_json() == city
        assert response.headers["ETag"] == shown.headers["ETag"]
        assert api.client.get("/", query_string={"city": name.upper()}).status_code == 200

    @pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/json"])
    def test_patch_changes_what_it_names(self, api: Api, media_type: str) -> None:
        added, name = api.add(a_name(), country_id=2), a_name()

        response = api.change("PATCH", added, {"name": name}, Content_Type=media_type)

        assert response.status_code == 200
        assert response.get_json() == {**added.get_json(), "name": name}

    def test_an_empty_patch_changes_nothing(self, api: Api) -> None:
        added = api.add(a_name())

        response = api.change("PATCH", added, {})

        assert response.status_code == 200
        assert response.headers["ETag"] == added.headers["ETag"]

    @pytest.mark.parametrize(
        ("patch", "pointer"),
        [({"name": None}, "#/name"), ({"name": {"a": 1}}, "#/name"), ({"mayor": 1}, "#/mayor"), (["x"], "#"), (1, "#")],
    )
    def test_a_patch_that_leaves_no_city_is_refused(self, api: Api, patch: object, pointer: str) -> None:
        response = api.change("PATCH", api.add(a_name()), patch)

        assert_problem(response, 422, "invalid-content", fields=[pointer])

    def test_a_country_that_is_not_there_changes_nothing(self, api: Api) -> None:
        added = api.add(a_name())

        response = api.change("PATCH", added, {"name": a_name(), "country_id": 30_000})

        assert_problem(response, 422, "invalid-content", fields=["#/country_id"])
        assert api.client.get(added.location or "").headers["ETag"] == added.headers["ETag"]

    def test_delete_removes(self, api: Api, writable: Database) -> None:
        name = a_name()
        added = api.add(name)

        response = api.change("DELETE", added)

        assert (response.status_code, response.data) == (204, b"")
        assert "Content-Type" not in response.headers
        assert times_kept(writable, name) == 0
        assert_problem(api.change("DELETE", added), 404, "not-found")

    def test_what_others_refer_to_stays(self, api: Api, writable: Database) -> None:
        added = api.add(a_name())
        with writable.connect() as connection:
            connection.execute(text("CREATE TABLE mayor (city_id INTEGER REFERENCES city (city_id))"))
            if connection.dialect.name in ("mysql", "mariadb"):  # MySQL reads past it where it stands above
                connection.execute(text("ALTER TABLE mayor ADD FOREIGN KEY (city_id) REFERENCES city (city_id)"))
            connection.execute(text(f"INSERT INTO mayor VALUES ({added.get_json()['id']})"))

        response = api.change("DELETE", added)

        with writable.connect() as connection:
            connection.execute(text("DROP TABLE mayor"))
        assert_problem(response, 409, "conflict", "Something else refers to")
        assert api.client.get(added.location or "").status_code == 200


class TestIfMatch:
    METHODS = ("PUT", "PATCH", "DELETE")

    @pytest.mark.parametrize("method", METHODS)
    def test_a_change_says_what_it_has_seen(self, api: Api, method: str) -> None:
        added = api.add(a_name())

        response = api.send(method, added.location or "", json={"name": a_name(), "country_id": 1})

        assert_problem(response, 428, "precondition-required")

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("tag", ['"another"', "W/{tag}", 'W/"another"', '""', '"*"'])
    def test_another_version_is_not_changed(self, api: Api, method: str, tag: str) -> None:
        added = api.add(a_name())

        response = api.change(
            method, added, {"name": a_name(), "country_id": 1}, If_Match=tag.format(tag=added.headers["ETag"])
        )

        assert_problem(response, 412, "precondition-failed")
        assert api.client.get(added.location or "").headers["ETag"] == added.headers["ETag"]

    @pytest.mark.parametrize("tag", ["*", '"another", {tag}', 'W/"another",{tag}'])
    def test_any_version_or_one_of_several(self, api: Api, tag: str) -> None:
        added = api.add(a_name())

        response = api.change("PATCH", added, {}, If_Match=tag.format(tag=added.headers["ETag"]))

        assert response.status_code == 200

    def test_of_two_who_saw_the_same_the_second_is_told(self, api: Api) -> None:
        added = api.add(a_name())

        first, second = (api.change("PATCH", added, {"name": a_name()}) for _ in range(2))

        assert first.status_code == 200
        assert_problem(second, 412, "precondition-failed")

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("city_id", ["30000", "0", "-1", "x", "2147483648"])
    def test_a_city_that_is_not_there_is_not_found_whatever_it_says(self, api: Api, method: str, city_id: str) -> None:
        for headers in ({}, {"If-Match": "*"}):
            response = api.send(
                method, f"{CITIES}/{city_id}", json={"name": a_name(), "country_id": 1}, headers=headers
            )

            assert_problem(response, 404, "not-found")


class TestToken:
    @pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", "Basic Og==", TOKEN])
    def test_without_a_token_nothing_is_written(self, api: Api, given: str) -> None:
        response = api.send("POST", json={"name": "x", "country_id": 1}, headers={"Authorization": given})

        assert_problem(response, 401, "unauthorized")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'

    @pytest.mark.parametrize("given", ["another-token-of-some-length", TOKEN[:-1], TOKEN + "x", "ä"])
    def test_nor_with_a_wrong_one(self, api: Api, given: str) -> None:
        response = api.send("POST", json={"name": "x", "country_id": 1}, headers={"Authorization": f"Bearer {given}"})

        assert_problem(response, 401, "unauthorized")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_it_is_asked_for_before_anything_else(self, api: Api, method: str) -> None:
        response = api.send(method, f"{CITIES}/x", data=b"x" * 20_000, headers={"Authorization": ""})

        assert_problem(response, 401, "unauthorized")

    def test_where_none_is_set_nobody_writes(self, writable: Database, make_app: Callable[..., Flask]) -> None:
        api = Api(make_app(DATABASE_URL=writable.url, OPS_TOKEN=TOKEN))

        assert_problem(api.add(a_name()), 403, "forbidden", "API_TOKEN")
        assert api.client.get(CITIES).status_code == 200

    def test_other_methods_are_told_apart_without_one(self, api: Api) -> None:
        asked = api.client.options(CITIES)
        refused = api.client.delete(CITIES)

        assert asked.status_code == 200
        assert {"GET", "POST"} <= set(asked.headers["Allow"].split(", "))
        assert_problem(refused, 405, "method-not-allowed")


def test_the_connections_of_writers_are_used_again(api: Api, writing_app: Flask) -> None:
    """Nothing that a write sends changes its session."""
    api.add(a_name(), Idempotency_Key=a_name().replace(" ", "-"))
    before = steady(writer_of(writing_app)).snapshot()

    for _ in range(3):
        added = api.add(a_name(), Idempotency_Key=a_name().replace(" ", "-"))
        api.change("PATCH", added, {"name": a_name()})
        api.change("DELETE", added, If_Match="*")

    after = steady(writer_of(writing_app)).snapshot()
    assert after["closed"] == before["closed"]
    assert after["opened"] == before["opened"]


def test_reads_go_on_from_a_copy_and_writes_see_the_writer(
    writable: Database, database: Database, make_app: Callable[..., Flask]
) -> None:
    """The reader is a database that lacks the city, as a replica that lags behind does to whoever has not written."""
    app = make_app(DATABASE_URL=writable.url, DATABASE_READ_URL=database.url, API_TOKEN=TOKEN)
    api = Api(app)
    added = api.add(a_name())

    assert app.test_client(use_cookies=False).get(added.location or "").status_code == 404
    assert api.change("PATCH", added, {"name": a_name()}).status_code == 200
    assert pool_of(app).snapshot()["in_use"] == 0


def test_the_id_of_a_city_that_was_removed_is_not_given_out_again(api: Api) -> None:
    first = api.add(a_name())
    api.change("DELETE", first)

    assert api.add(a_name()).get_json()["id"] > first.get_json()["id"]


DEFERRED = "CREATE TABLE mayor (city_id INTEGER REFERENCES city (city_id) DEFERRABLE INITIALLY DEFERRED)"


def test_what_refers_to_a_city_may_speak_at_commit(api: Api, writable: Database) -> None:
    """As a foreign key of somebody else's may; MySQL and MariaDB know none that waits."""
    if make_url(writable.url).get_backend_name() in ("mysql", "mariadb"):
        with pytest.raises(DBAPIError), writable.connect() as connection:
            connection.execute(text(DEFERRED))
        return
    added = api.add(a_name())
    with writable.connect() as connection:
        connection.execute(text(DEFERRED))
        connection.execute(text(f"INSERT INTO mayor VALUES ({added.get_json()['id']})"))

    refused = api.change("DELETE", added)

    with writable.connect() as connection:
        connection.execute(text("DROP TABLE mayor"))
    assert_problem(refused, 409, "conflict")
    assert api.change("DELETE", added).status_code == 204
