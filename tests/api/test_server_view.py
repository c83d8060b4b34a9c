"""What the server sees of our connections, on each database; and what becomes of a server that does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import literal, select

from app.extensions import db
from app.operations import server_view
from tests.conftest import dispose
from tests.support.databases import Database


@pytest.fixture
def watched(database: Database, make_app: Callable[..., Flask]) -> Iterator[Flask]:
    app = make_app(DATABASE_URL=database.url, POOL_SIZE="3")
    yield app
    dispose(app)


def pool_page(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/pool", headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json


def test_the_server_tells_id_state_and_seconds_and_no_statement(watched: Flask):
    with watched.app_context(), db.engines["reader"].connect() as connection:
        connection.execute(select(literal("Secretville"))).all()
        seen = pool_page(watched)

    if db_name(watched) == "sqlite":
        assert seen["server"]["silence"] == "SQLite is a file: there is no server."
        assert seen["budgets"] == []
    else:
        assert seen["server"]["silence"] == ""
        assert len(seen["server"]["sessions"]) >= 2  # the one that is held and the one that asks
        assert all(set(session) == {"id", "state", "seconds"} for session in seen["server"]["sessions"])
        assert seen["budgets"][0]["needed"] > 0
        assert "WORKERS" in seen["budgets"][0]["arithmetic"]
    assert "Secretville" not in str(seen)
    assert "SELECT" not in str(seen)


def db_name(app: Flask) -> str:
    with app.app_context():
        return db.engine.dialect.name


def test_to_ask_the_server_costs_no_connection(watched: Flask):
    for _ in range(3):
        seen = pool_page(watched)

    reader = seen["pools"]["reader"]["recent"]
    assert reader["opened"] <= 1
    assert seen["pools"]["reader"]["recent"]["closed"] == {}


def test_the_connections_one_by_one(watched: Flask):
    client = watched.test_client()
    client.get("/?city=London", headers={"X-Request-ID": "first"})
    with watched.app_context(), db.engines["reader"].connect(), db.engine.connect():
        seen = pool_page(watched)["connections"]

    states = {(each["pool"], each["state"]) for each in seen}
    assert {("reader", "in use"), ("writer", "in use")} <= states
    [held] = [each for each in seen if each["pool"] == "writer"]
    assert held["uses"] == 1
    assert 0 <= held["held_seconds"] <= held["age_seconds"]


def test_a_pool_in_which_all_are_in_use_says_so_and_the_page_comes_in_time(watched: Flask):
    with watched.app_context():
        engine = db.engines["reader"]
        with engine.connect(), engine.connect(), engine.connect():
            began = time.monotonic()
            seen = pool_page(watched)

            assert time.monotonic() - began < server_view.PATIENCE_SECONDS + 0.5
    assert seen["pools"]["reader"]["now"]["in_use"] == 3
    if db_name(watched) != "sqlite":
        assert seen["server"]["silence"] == "The server could not be asked: PoolExhaustedError."
