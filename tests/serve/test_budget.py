"""POOL_BUDGET at the start of a real server: refused with the arithmetic, or told once and served."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from testkit.databases import Database, new_database
from testkit.processes import free_port
from tests.conftest import obtain_or_skip
from tests.serve.serving import Serving, run
from tests.support.asking import LOOKUP
from tests.support.tampering import max_connections

TOO_MANY = {"WORKERS": "2", "POOL_SIZE": "1000", "WRITER_POOL_SIZE": "1000", "LOG_FORMAT": "json"}
SUM = "WORKERS 2 x (POOL_SIZE 1000 + WRITER_POOL_SIZE 1000) x 2 during a reload + 5 in reserve = 8005"


@pytest.fixture(scope="module", params=["mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with new_database(obtain_or_skip(request.config, request.param)) as made:
        yield made


def exceeded(log: str) -> list[dict[str, str]]:
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [event for event in events if event["event"] == "connection budget exceeded"]


def test_refuse_stops_the_server_with_the_sum(served_before: Path, database: Database) -> None:
    ended = run(
        served_before,
        "serve",
        timeout=60,
        DATABASE_URL=database.url,
        POOL_BUDGET="refuse",
        PORT=str(free_port()),
        **TOO_MANY,
    )

    assert ended.returncode == 3
    told = exceeded(ended.stderr)
    assert [event["level"] for event in told] == ["critical"]
    assert SUM in told[0]["detail"]
    assert "lower WORKERS, POOL_SIZE or WRITER_POOL_SIZE, or raise max_connections by" in told[0]["detail"]
    assert "Traceback" not in ended.stderr
    password = make_url(database.url).password
    assert password
    assert password not in ended.stderr


def test_warn_tells_it_once_a_start_and_serves(
    served_before: Path, serve: Callable[..., Serving], database: Database
) -> None:
    server = serve(served_before, DATABASE_URL=database.url, POOL_BUDGET="warn", **TOO_MANY)
    assert server.get(LOOKUP).status == 200
    wait_for(server, times=1)

    server.process.send_signal(signal.SIGHUP)
    wait_for(server, times=2)

    assert {event["level"] for event in server.events("connection budget exceeded")} == {"warning"}


def test_a_reload_is_never_refused(served_before: Path, serve: Callable[..., Serving], database: Database) -> None:
    """The first start had room; a service that runs must outlive what an administrator does to the server's limit."""
    limited = {**TOO_MANY, "POOL_SIZE": "2", "WRITER_POOL_SIZE": "1", "WORKERS": "1"}
    server = serve(served_before, DATABASE_URL=database.url, POOL_BUDGET="refuse", **limited)
    with max_connections(database, 10):  # one less than 2 x (2 + 1) + 5
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, times=1)

        assert server.get(LOOKUP).status == 200
    assert server.process.poll() is None


def wait_for(server: Serving, times: int) -> None:
    """Wait until it was told so often, and a moment longer for one too many."""
    server.wait_for_events("connection budget exceeded", times)
    time.sleep(0.5)
    assert len(server.events("connection budget exceeded")) == times, server.log.read_text()


def test_a_database_that_is_down_is_no_reason_to_refuse(served_before: Path, serve: Callable[..., Serving]) -> None:
    server = serve(served_before, DATABASE_URL=f"mysql://u@127.0.0.1:{free_port()}/d", POOL_BUDGET="refuse", **TOO_MANY)

    assert server.get("/livez").status == 200
    # The other worker may have answered before the one that asks has given up.
    server.wait_for_events("connection budget not checked", 1)
