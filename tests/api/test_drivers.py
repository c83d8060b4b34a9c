"""The other two drivers for MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import make_url

from testkit.databases import Database
from testkit.drivers import MYSQLDB
from tests.conftest import dispose
from tests.support.asking import PATH


@pytest.mark.long_form("mariadb118")
@pytest.mark.parametrize("driver", ["mysqlconnector", MYSQLDB])
def test_another_driver_answers_and_is_ready(mysql_like: Database, make_app: Callable[..., Flask], driver: str) -> None:
    url = make_url(mysql_like.url)
    name = f"{url.get_backend_name()}+{driver}"
    app = make_app(DATABASE_URL=url.set(drivername=name).render_as_string(hide_password=False))
    client = app.test_client()

    asked = {"name": "Zoë"}
    assert client.get(PATH, query_string=asked).text == "Zoë\n"
    assert client.get(PATH, query_string=asked, headers={"Accept": "application/json"}).json == asked
    assert client.get("/readyz").status_code == 200
    dispose(app)
