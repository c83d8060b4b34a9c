"""Connections that are held too long or forgotten: who is told what, and what it costs when it is off."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, g, request

from app.extensions import db
from steadypool import SteadyPool
from testkit.databases import Database
from tests.conftest import dispose
from tests.support.asking import A_ROW, LOOKUP
from tests.support.pools import steady

SERVERS = pytest.mark.parametrize("server", ["mariadb"], indirect=True, scope="session")


@pytest.fixture
def make_leaky(database: Database, make_app: Callable[..., Flask]) -> Iterator[Callable[[], Flask]]:
    """Return an application with a view that keeps its connection until it is told to let go, and one that forgets it.

    To be made in the test itself: the log goes to what is standard error at that moment.
    """
    let_go, made = threading.Event(), []

    def hold() -> str:
        with db.engines["reader"].connect() as connection:
            connection.execute(A_ROW).all()
            let_go.wait(10)
        return "held"

    def forget() -> str:
        g.forgotten = db.engines["reader"].connect()  # goes when the request does, and nobody has closed it
        if "after" in request.args:
            g.forgotten.execute(A_ROW).all()
        return "forgotten"

    def make() -> Flask:
        app = make_app(DATABASE_URL=database.url, POOL_LEAK_SECONDS="0.2", POOL_SIZE="2", ACCESS_LOG="off")
        app.add_url_rule("/hold", view_func=hold)
        app.add_url_rule("/forget", view_func=forget)
        app.extensions["let_go"] = let_go
        made.append(app)
        return app

    yield make
    let_go.set()
    for app in made:
        dispose(app)


def pool_of(app: Flask) -> SteadyPool:
    with app.app_context():
        return steady(db.engines["reader"])


def events(capsys: pytest.CaptureFixture[str], seconds: float, beginning: str) -> list[dict[str, Any]]:
    """Return the log's lines about one thing, as soon as there is one."""
    seen, end = "", time.monotonic() + seconds
    while True:
        seen += capsys.readouterr().err
        lines = [json.loads(line) for line in seen.splitlines() if line.startswith("{")]
        if (found := [line for line in lines if line["event"].startswith(beginning)]) or time.monotonic() > end:
            return found
        time.sleep(0.02)


@SERVERS
def test_a_long_loan_is_told_once_with_both_stacks_and_the_request(
    make_leaky: Callable[[], Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    leaky = make_leaky()
    asking = threading.Thread(
        target=leaky.test_client().get, args=("/hold",), kwargs={"headers": {"X-Request-ID": "r-1"}}
    )
    asking.start()

    (warning,) = events(capsys, 3, "a connection has been held for")
    time.sleep(0.2)
    assert events(capsys, 0, "a connection has been held for") == []
    leaky.extensions["let_go"].set()
    asking.join(5)
    (back,) = events(capsys, 3, "the connection came back after")

    acquired, now = warning["event"].split("its holder is now at:")
    assert "in hold" in acquired
    assert "engines" in acquired
    assert "let_go" in now
    assert (warning["level"], warning["request_id"]) == ("warning", "r-1")
    assert (back["level"], back["request_id"]) == ("info", "r-1")


@SERVERS
def test_a_forgotten_connection_is_counted_and_recovered(
    make_leaky: Callable[[], Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    leaky = make_leaky()
    client, pool = leaky.test_client(), pool_of(leaky)

    for _ in range(5):
        assert client.get("/forget").status_code == 200
        gc.collect()

    seen = pool.snapshot()
    assert (seen["leaked"], seen["in_use"], seen["idle"]) == (5, 0, 0)
    assert seen["closed"] == {"dropped": 5}
    told = events(capsys, 1, "a connection was dropped without being returned")
    assert len(told) == 5
    assert "in forget" in told[0]["event"]
    assert client.get(LOOKUP).status_code == 200


@SERVERS
def test_a_circle_of_references_is_looked_for_when_it_has_lasted(make_leaky: Callable[[], Flask]) -> None:
    leaky = make_leaky()
    gc.disable()
    try:
        assert leaky.test_client().get("/forget?after=statement").status_code == 200
        assert pool_of(leaky).snapshot()["in_use"] == 1
        end = time.monotonic() + 3
        while pool_of(leaky).snapshot()["in_use"] and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        gc.enable()

    seen = pool_of(leaky).snapshot()
    assert (seen["in_use"], seen["leaked"]) == (0, 1)


@SERVERS
def test_what_comes_back_in_time_is_not_mentioned(
    make_leaky: Callable[[], Flask], capsys: pytest.CaptureFixture[str]
) -> None:
    leaky = make_leaky()
    for _ in range(20):
        leaky.test_client().get(LOOKUP)

    assert events(capsys, 0.4, "a connection") == []


@SERVERS
def test_off_nothing_is_remembered(
    database: Database, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    monkeypatch.setattr("steadypool.pool.stack_of", lambda *seen: looked.append(seen))
    app = make_app(DATABASE_URL=database.url, POOL_LEAK_SECONDS="0")

    assert app.test_client().get(LOOKUP).status_code == 200

    assert looked == []
    dispose(app)
