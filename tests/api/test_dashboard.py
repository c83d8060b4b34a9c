"""/pool on each database: the figures of all workers, and nothing that anybody typed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, get_args

import pytest
from flask import Flask
from sqlalchemy import literal, select, text

from app.extensions import db
from app.operations.budget import may_start
from app.operations.dashboard import drawn
from steadypool import CloseReason
from testkit.databases import Database
from testkit.waiting import eventually
from tests.conftest import dispose
from tests.support.asking import LOOKUP
from tests.support.counters import TROUBLE
from tests.support.pools import steady
from tests.support.protected import assert_nothing_inline

SECRET = "Secretville"
HTML, JSON = {"Accept": "text/html"}, {"Accept": "application/json"}
ON_SQLITE, ON_SERVERS = (
    pytest.mark.parametrize("server", names, indirect=True) for names in (["sqlite"], ["mariadb", "postgresql"])
)
SLEEP = {"mariadb": "sleep(1)", "postgresql": "pg_sleep(1)"}

TIMES = {"count", "mean_seconds", "p50_seconds", "p99_seconds"}
BUSY, BREAKER = {"size": 8, "idle": 3, "pending": 2}, ("closed", "half-open", "open")
NOW = {"size", "idle_max", "in_use", "idle", "pending", "breaker"}
COUNTED = {"acquired", "opened", "closed", "timeouts", *TROUBLE}
RECENT = COUNTED | {"wait_time", "use_time", "create_time", "idle_ratio"}


@pytest.fixture
def workers(database: Database, make_app: Callable[..., Flask], tmp_path: Path) -> Iterator[tuple[Flask, Flask]]:
    """Two applications that report into the same directory, as two workers do."""
    made = make_app(DATABASE_URL=database.url), make_app(DATABASE_URL=database.url)
    for number, app in enumerate(made, 1):
        app.extensions["reporter"].join(tmp_path, number)
        app.extensions["reporter"].publish()  # its own thread will, but when?
    yield made
    for app in made:
        dispose(app)
        app.extensions["reporter"].end()


def page(app: Flask) -> str:
    answer = app.test_client().get("/pool", headers=HTML)
    assert (answer.status_code, answer.mimetype, answer.headers["Vary"]) == (200, "text/html", "Accept")
    return answer.text


def document(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/pool", headers=JSON)
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (
        200,
        "application/json",
        "no-store",
    )
    return dict(answer.get_json())


def rows(page: str, section: str) -> list[list[str]]:
    """Return the texts of a table's cells."""
    found = re.search(rf'id="{section}".*?<tbody>(.*?)</table>', page, re.DOTALL)
    assert found, f"no table in {section}"
    cells = [re.split(r"<t[dh]\b[^>]*>", row)[1:] for row in found[1].split("<tr>")[1:]]
    return [[html.unescape(re.sub("<[^>]+>", "", cell)).strip() for cell in row] for row in cells]


def look_up(app: Flask, more: str = "") -> None:
    assert app.test_client().get(LOOKUP + more).status_code in (200, 404)


@ON_SQLITE
def test_the_page_tells_of_all_workers_whoever_is_asked(workers: tuple[Flask, Flask]) -> None:
    one, other = workers
    look_up(one)
    look_up(other)
    other.extensions["reporter"].publish()

    shown = page(one)

    assert [row[0] for row in rows(shown, "workers")] == ["1", "2"]
    assert {(row[0], row[1], row[2]) for row in rows(shown, "connections")} >= {
        ("reader", "1", "idle"),
        ("reader", "2", "idle"),
    }
    assert "of <b>16</b>" in shown
    assert "told by worker 1 for all" in shown


@ON_SQLITE
def test_those_at_work_come_first_and_the_longest_held_on_top(workers: tuple[Flask, Flask]) -> None:
    app = workers[0]
    look_up(app)
    with app.app_context(), db.engine.connect(), db.engines["reader"].connect():
        told, shown = document(app)["connections"], rows(page(app), "connections")

    assert [(row[0], row[2]) for row in shown[:2]] == [("writer", "in use"), ("reader", "in use")]
    [held] = [each for each in told if each["pool"] == "writer"]
    assert held["uses"] == 1
    assert 0 <= held["held_seconds"] <= held["age_seconds"]


@ON_SQLITE
def test_to_look_is_in_nobodys_way(workers: tuple[Flask, Flask]) -> None:
    app = workers[0]
    with app.app_context(), ExitStack() as held:
        for _ in range(8):
            held.enter_context(db.engines["reader"].connect())
        reader = document(app)["pools"]["reader"]

    assert (reader["now"]["in_use"], reader["recent"]["acquired"]) == (8, 8)
    assert (reader["recent"]["timeouts"], reader["recent"]["rejected"], reader["now"]["pending"]) == (0, 0, 0)


@pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
def test_the_budget_is_that_of_the_start(workers: tuple[Flask, Flask], database: Database) -> None:
    assert may_start(workers[0], workers=2)

    told, shown = document(workers[0])["budgets"], page(workers[0])

    if database.name == "sqlite":
        assert told == []
    else:
        assert set(told[0]) == {"limit", "needed", "usually", "allowed", "arithmetic", "remedy", "share"}
        assert f"Budget: {told[0]['arithmetic']}, which fits." in html.unescape(shown)
        assert f"This instance's share is 20 of {told[0]['allowed']}, " in html.unescape(shown)


@ON_SERVERS
def test_nothing_that_anybody_typed_is_shown(workers: tuple[Flask, Flask], database: Database) -> None:
    app = workers[0]
    look_up(app, SECRET)

    with at_work(app, database):
        told, shown = app.test_client().get("/pool", headers=JSON), page(app)

    assert "in use" in [seen["state"] for seen in told.get_json()["connections"]]
    assert "in use" in [row[2] for row in rows(shown, "connections")]
    for said in (told.text, shown):
        assert SECRET not in said
        assert database.password is None or database.password not in said


@contextmanager
def at_work(app: Flask, database: Database) -> Iterator[None]:
    """Hold a connection during the block, on which a statement with the secret in it runs or just did."""
    over = Event()

    def work() -> None:
        with app.app_context(), db.engines["reader"].connect() as connection:
            connection.execute(text(f"SELECT {SLEEP[database.name]}, '{SECRET}'")).all()
            connection.execute(select(literal(SECRET))).all()
            over.wait(5)

    worker = Thread(target=work)
    worker.start()
    with app.app_context():
        pool = steady(db.engines["reader"])
    try:
        assert eventually(lambda: [seen for seen in pool.connections() if seen["state"] == "in use"])
        yield
    finally:
        over.set()
        worker.join()


@ON_SQLITE
def test_programs_get_the_same_as_json(workers: tuple[Flask, Flask]) -> None:
    look_up(workers[0])

    told = document(workers[0])

    assert set(told) == {"answered_by", "workers", "pools", "connections", "lag_seconds", "orders", "budgets"}
    assert [worker["worker"] for worker in told["workers"]] == [1, 2]
    assert set(told["workers"][0]) == {"worker", "pid", "age_seconds", "heard_seconds_ago", "pools"}
    assert set(told["pools"]) == {"reader", "writer"}
    for pool in told["pools"].values():
        assert set(pool) == {"now", "recent", "history"}
        assert (set(pool["now"]), set(pool["recent"])) == (NOW, RECENT)
        assert set(pool["recent"]["wait_time"]) == TIMES
    assert {"pool", "worker", "state", "age_seconds", "idle_seconds", "uses"} <= set(told["connections"][0])


def long_past(told: dict[str, Any]) -> dict[str, Any]:
    """Return a document as large as they get: five busy minutes of both pools and far too many connections."""
    times = {"count": 12345, "mean_seconds": 0.0123, "p50_seconds": 0.025, "p99_seconds": "inf"}
    counts = dict.fromkeys(COUNTED - {"closed"}, 1234)
    closed = dict.fromkeys(get_args(CloseReason), 123)
    grown = counts | {"closed": closed, "wait_time": times, "use_time": times, "create_time": times, "idle_ratio": 0.5}
    past = [
        grown | BUSY | {"seconds_ago": 5 * ago, "in_use": ago % 9, "mean_in_use": ago / 7, "breaker": BREAKER[ago % 3]}
        for ago in reversed(range(60))
    ]
    pools = {name: {"now": past[-1], "recent": grown, "history": past} for name in ("reader", "writer")}
    lent = {"state": "in use", "held_seconds": 1.5, "age_seconds": 99.9, "idle_seconds": 2.5, "uses": 12345}
    seen = [{"pool": "reader", "worker": 1, "holder": {"request_id": f"{number:032x}"}} | lent for number in range(140)]
    return told | {"pools": pools, "connections": seen}


def test_the_page_stays_small_and_says_what_it_leaves_out(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    app = make_app(DATABASE_URL=f"sqlite:///{tmp_path / 'none.sqlite3'}")
    full = long_past(document(app))

    with app.test_request_context():
        shown = drawn(full)

    assert len(shown) < 150_000
    assert len(rows(shown, "connections")) == 100 + 1
    assert len(rows(shown, "history-reader")) == 60
    assert "40 more are left out" in shown
    assert "> 5 s" in html.unescape(shown)
    assert_nothing_inline(shown)
