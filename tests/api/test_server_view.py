"""What the server sees of our connections, on each database; and what becomes of a server that does not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import literal, select

from app.extensions import db
from testkit.databases import Database
from tests.conftest import dispose
from tests.support.asking import LOOKUP
from tests.support.pools import steady


@pytest.fixture
def watched(database: Database, make_app: Callable[..., Flask]) -> Iterator[Flask]:
    app = make_app(DATABASE_URL=database.url, POOL_SIZE="3")
    yield app
    dispose(app)


def pool_page(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/pool", headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.get_json()
    return document


def test_the_server_tells_id_state_and_seconds_and_no_statement(watched: Flask) -> None:
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


def test_to_ask_the_server_costs_no_connection(watched: Flask) -> None:
    for _ in range(3):
        seen = pool_page(watched)

    reader = seen["pools"]["reader"]["recent"]
    assert reader["opened"] <= 1
    assert seen["pools"]["reader"]["recent"]["closed"] == {}


def test_the_connections_one_by_one(watched: Flask) -> None:
    client = watched.test_client()
    client.get(LOOKUP, headers={"X-Request-ID": "first"})
    with watched.app_context(), db.engines["reader"].connect(), db.engine.connect():
        seen = pool_page(watched)["connections"]

    states = {(each["pool"], each["state"]) for each in seen}
    assert {("reader", "in use"), ("writer", "in use")} <= states
    [held] = [each for each in seen if each["pool"] == "writer"]
    assert held["uses"] == 1
    assert 0 <= held["held_seconds"] <= held["age_seconds"]


def test_a_pool_in_which_all_are_in_use_is_left_alone(watched: Flask) -> None:
    with watched.app_context():
        engine = db.engines["reader"]
        with engine.connect(), engine.connect(), engine.connect():
            seen = pool_page(watched)

    reader = seen["pools"]["reader"]
    assert (reader["now"]["in_use"], reader["recent"]["timeouts"], reader["recent"]["rejected"]) == (3, 0, 0)
    if db_name(watched) != "sqlite":
        assert seen["server"]["silence"] == "The server is not asked while all connections are in use."


def test_a_server_that_cannot_be_reached_is_left_alone(watched: Flask) -> None:
    with watched.app_context():
        steady(db.engines["reader"]).breaker.state = "open"
        seen = pool_page(watched)
        steady(db.engines["reader"]).breaker.state = "closed"

    assert seen["pools"]["reader"]["now"]["breaker"] == "open"
    if db_name(watched) != "sqlite":
        assert seen["server"]["silence"] == "The server is not asked while it cannot be reached."


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_no_session_is_in_its_state_for_less_than_nothing(watched: Flask) -> None:
    assert min(session["seconds"] for session in pool_page(watched)["server"]["sessions"]) >= 0
