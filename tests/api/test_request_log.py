"""What the log says of a request: one line, and where the time of a slow one went."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.extensions import db
from steadypool import in_transaction, read
from testkit.databases import Database
from tests.conftest import dispose
from tests.support.asking import A_ROW, LOOKUP

Events = Callable[[str], list[dict[str, Any]]]
SLEEP = {"mysql": "SELECT sleep(0.3)", "mariadb": "SELECT sleep(0.3)", "postgresql": "SELECT pg_sleep(0.3)"}


@pytest.fixture
def events(capsys: pytest.CaptureFixture[str]) -> Events:
    """Return the log lines of that event since they were last asked for."""

    def read_log(name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        return [line for line in lines if line["event"] == name]

    return read_log


@pytest.fixture
def watched(database: Database, make_app: Callable[..., Flask]) -> Iterator[Flask]:
    """An application of one connection, with addresses that take their time."""
    app = make_app(DATABASE_URL=database.url, POOL_SIZE="1", LOG_FORMAT="json", SLOW_REQUEST_SECONDS="0.25")

    @app.get("/test/slow-database")
    def slow_database() -> str:
        engine = db.engines["reader"]
        pause = text(SLEEP.get(engine.dialect.name, "SELECT 1")).execution_options(leaves_no_trace=True)
        read(engine, lambda connection: connection.execute(pause).all())
        return "done"

    @app.get("/test/two-reads-and-a-write")
    def several() -> str:
        for _ in range(2):
            read(db.engines["reader"], lambda connection: connection.execute(A_ROW).all())
        in_transaction(db.engine, lambda connection: connection.execute(A_ROW).all())
        return "done"

    yield app
    dispose(app)


@pytest.mark.parametrize("server", ["mariadb", "postgresql"], indirect=True)
def test_a_warm_read_is_one_command_with_its_time(watched: Flask, events: Events) -> None:
    client = watched.test_client()
    for _ in range(2):
        client.get(LOOKUP)

    line = events("request")[-1]
    assert line["commands"] == 1
    assert 0 < line["database_ms"] <= line["duration_ms"]
    assert 0 <= line["pool_wait_ms"] <= line["duration_ms"]


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_reads_writes_and_commits_are_counted_together(watched: Flask, events: Events) -> None:
    client = watched.test_client()
    for _ in range(2):
        client.get("/test/two-reads-and-a-write")

    # Two SELECTs of the reader, and of the writer one, with its COMMIT.
    assert events("request")[-1]["commands"] == 4


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_who_asks_no_database_has_no_such_fields(watched: Flask, events: Events) -> None:
    watched.test_client().get("/docs", headers={"Accept": "text/html"})

    assert not {"commands", "database_ms", "pool_wait_ms"} & set(events("request")[0])


@pytest.mark.parametrize("server", ["mariadb", "postgresql"], indirect=True)
def test_a_ping_is_counted_once(make_app: Callable[..., Flask], database: Database, events: Events) -> None:
    app = make_app(DATABASE_URL=database.url, POOL_PING_AFTER_SECONDS=0, SLOW_REQUEST_SECONDS=0.0001)
    for _ in range(20):
        app.test_client().get(LOOKUP)

    lines = events("slow request")[1:]
    assert {line["commands"] for line in lines} == {2}
    for line in lines:
        spent = sum(line[name] for name in ("database_ms", "pool_wait_ms", "connect_ms", "elsewhere_ms"))
        assert spent == pytest.approx(line["duration_ms"], abs=0.1)


@pytest.mark.parametrize("server", ["mariadb", "postgresql"], indirect=True)
def test_of_a_slow_request_the_log_says_that_the_database_was_slow(watched: Flask, events: Events) -> None:
    watched.test_client().get("/test/slow-database")

    [line] = events("slow request")
    assert (line["level"], line["route"], line["status"]) == ("warning", "/test/slow-database", 200)
    assert line["database_ms"] >= 300
    assert line["connect_ms"] > 0
    spent = sum(line[name] for name in ("database_ms", "pool_wait_ms", "connect_ms", "elsewhere_ms"))
    assert spent == pytest.approx(line["duration_ms"], abs=1)


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_of_a_slow_request_the_log_says_that_it_waited_for_a_connection(watched: Flask, events: Events) -> None:
    with watched.app_context(), db.engines["reader"].connect():
        asking = Thread(target=watched.test_client().get, args=(LOOKUP,))
        asking.start()
        asking.join()

    [line] = events("slow request")
    assert line["status"] == 503
    assert line["pool_wait_ms"] >= 900  # POOL_TIMEOUT_SECONDS
    assert line["database_ms"] == 0


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_quick_requests_are_not_slow_and_probes_are_not_logged(watched: Flask, events: Events) -> None:
    client = watched.test_client()
    for path in ("/livez", "/readyz", "/metrics", "/pool"):
        client.get(path, headers={"Host": "localhost"})

    assert events("request") == []
    assert events("slow request") == []


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_who_may_not_see_the_metrics_is_logged(watched: Flask, events: Events) -> None:
    watched.test_client().get("/metrics", headers={"Host": "somebody.example"})

    assert [line["status"] for line in events("request")] == [403]


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("environ", "lines"),
    [({"ACCESS_LOG": "off", "SLOW_REQUEST_SECONDS": "0.000001"}, 1), ({"SLOW_REQUEST_SECONDS": "0"}, 0)],
    ids=["without an access log, too", "zero seconds mean that nothing is slow"],
)
def test_what_is_slow(
    database: Database, make_app: Callable[..., Flask], events: Events, environ: dict[str, str], lines: int
) -> None:
    app = make_app(DATABASE_URL=database.url, LOG_FORMAT="json", **environ)

    app.test_client().get(LOOKUP)

    assert len(events("slow request")) == lines
    dispose(app)
