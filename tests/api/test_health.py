import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import make_url

from app import schema
from app.extensions import db
from testkit.databases import Database
from tests.conftest import dispose

ON_SQLITE, ON_TWO = (
    pytest.mark.parametrize("server", names, indirect=True) for names in (["sqlite"], ["sqlite", "postgresql"])
)
UNREACHABLE = "mysql://app:hunter2@127.0.0.1:1/sakila"


def absent(database: Database) -> str:
    """Return the URL of a database of the same kind that is not there."""
    url = make_url(database.url)
    gone = (
        url.set(database=f"{url.database}.gone") if database.name == "sqlite" else url.set(port=1, password="hunter2")
    )
    return gone.render_as_string(hide_password=False)


def test_live_without_a_database(make_app: Callable[..., Flask]) -> None:
    response = make_app(DATABASE_URL=UNREACHABLE).test_client().get("/livez")

    assert (response.status_code, response.json) == (200, {"status": "alive"})


def test_ready_when_both_databases_answer(client: FlaskClient) -> None:
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json == {"status": "ready", "reader": "up", "writer": "up", "schema": "current"}
    assert response.headers["Cache-Control"] == "no-store"


@ON_SQLITE
def test_a_service_without_tables_misses_none(
    make_app: Callable[..., Flask], empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "TABLES", {})
    monkeypatch.setattr(schema, "MAIN", "")
    with empty_database.connect():
        pass  # SQLite is a file
    app = make_app(DATABASE_URL=empty_database.url)
    app.extensions["seeds"].clear()

    response = app.test_client().get("/readyz")
    seeded = app.test_cli_runner().invoke(args=["seed"])
    dispose(app)

    assert (response.status_code, response.get_json()["schema"]) == (200, "current")
    assert (seeded.exit_code, seeded.output) == (0, "No rows come with these tables; nothing to do.\n")


@pytest.mark.tables
def test_empty_database_is_not_ready(make_app: Callable[..., Flask], empty_database: Database) -> None:
    if empty_database.name == "sqlite":  # there an empty database is an empty file
        Path(str(make_url(empty_database.url).database)).touch()
    app = make_app(DATABASE_URL=empty_database.url)
    response = app.test_client().get("/readyz")
    dispose(app)

    assert response.status_code == 503
    assert response.json == {"status": "unavailable", "reader": "up", "writer": "up", "schema": "empty"}


@ON_TWO
@pytest.mark.parametrize(
    ("missing", "code", "told"),
    [
        ("writer", 200, {"status": "degraded", "reader": "up", "writer": "down", "schema": "current"}),
        ("reader", 503, {"status": "unavailable", "reader": "down", "writer": "up", "schema": "unknown"}),
    ],
)
def test_without_a_writer_reading_goes_on_and_without_a_reader_nothing(
    make_app: Callable[..., Flask], database: Database, missing: str, code: int, told: dict[str, str]
) -> None:
    urls = {"writer": database.url, "reader": database.url, missing: absent(database)}
    app = make_app(DATABASE_URL=urls["writer"], DATABASE_READ_URL=urls["reader"])
    response = app.test_client().get("/readyz")
    dispose(app)

    assert response.status_code == code
    assert response.get_json() == told
    assert "hunter2" not in response.text


@ON_SQLITE
@pytest.mark.parametrize("wait", ["0.2", "5"])
def test_full_pool_is_busy_but_ready(make_app: Callable[..., Flask], database: Database, wait: str) -> None:
    app = make_app(DATABASE_URL=database.url, POOL_SIZE=1, WRITER_POOL_SIZE=1, POOL_TIMEOUT_SECONDS=wait)
    with app.app_context(), ExitStack() as held:
        for engine in db.engines.values():
            held.enter_context(engine.connect())
        began = time.monotonic()
        response = app.test_client().get("/readyz")
        took = time.monotonic() - began
    threads = [thread for thread in threading.enumerate() if thread.name == "readyz"]
    for thread in threads:
        thread.join(6)
    dispose(app)

    assert response.status_code == 200
    assert response.json == {"status": "ready", "reader": "busy", "writer": "busy", "schema": "unknown"}
    assert took < 1.5
