"""The other two drivers for MySQL and MariaDB, asked a handful of names each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import make_url

from testkit.databases import Database, migrate_and_seed, new_database
from testkit.drivers import MYSQLDB
from tests.conftest import dispose, obtain_or_skip


@pytest.fixture(scope="module", params=["mariadb", "mariadb118", "mysql"])
def seeded(request: pytest.FixtureRequest) -> Iterator[Database]:
    with new_database(obtain_or_skip(request.config, request.param)) as made:
        migrate_and_seed(made.url)
        yield made


@pytest.fixture(params=["mysqlconnector", MYSQLDB])
def client(seeded: Database, make_app: Callable[..., Flask], request: pytest.FixtureRequest) -> Iterator[FlaskClient]:
    url = make_url(seeded.url)
    name = f"{url.get_backend_name()}+{request.param}"
    app = make_app(DATABASE_URL=url.set(drivername=name).render_as_string(hide_password=False))
    yield app.test_client()
    dispose(app)


@pytest.mark.parametrize(
    ("name", "city_id"), [("London", 312), ("são LEOPOLDO", 486), ("Xi'angtan", 579), ("sostka", 385)]
)
def test_a_name_finds_its_city(client: FlaskClient, name: str, city_id: int) -> None:
    assert client.get("/", query_string={"city": name}).get_data(as_text=True).strip() == f'City "{name}" is #{city_id}'


def test_a_page_of_cities_and_readiness(client: FlaskClient) -> None:
    assert len(client.get("/api/v1/cities?prefix=sa&limit=5").get_json()["items"]) == 5
    assert client.get("/readyz").status_code == 200
