"""The limits that real servers have, and what the check at start makes of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url

from app.operations.budget import may_start
from app.operations.limits import read_limits
from testkit.databases import Database, administer, new_database, plain_engine
from tests.conftest import dispose, obtain_or_skip
from tests.support.tampering import PASSWORD, deaf_server, max_connections, user_with

pytestmark = pytest.mark.long_form("mariadb118")

SayStart = Callable[..., tuple[bool, list[dict[str, Any]]]]

TOO_MANY = {"POOL_SIZE": "1000", "WRITER_POOL_SIZE": "1000"}


@pytest.fixture(scope="module", params=["mariadb", "mariadb118", "mysql", "postgresql"])
def served(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database without tables on each server in turn."""
    with new_database(obtain_or_skip(request.config, request.param)) as made:
        yield made


@pytest.fixture
def say_start(make_app: Callable[..., Flask], capsys: pytest.CaptureFixture[str]) -> SayStart:
    """Return whether an application with these settings may start, and what was logged about it."""

    def ask(workers: int = 1, **environ: str) -> tuple[bool, list[dict[str, Any]]]:
        app = make_app(LOG_FORMAT="json", **environ)
        answer = may_start(app, workers)
        dispose(app)
        return answer, [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    return ask


def limits(url: str) -> dict[str, int]:
    """Return how many connections are allowed: on the server, for the user of that address, in its database."""
    kinds = {" for ": "user", "/": "database", "": "server"}
    with plain_engine(url).connect() as connection:
        return {
            next(kind for mark, kind in kinds.items() if mark in limit.where): limit.connections
            for limit in read_limits(connection)
        }


def test_the_limit_of_a_user(served: Database) -> None:
    limit = "CONNECTION LIMIT 7" if served.name == "postgresql" else "WITH MAX_USER_CONNECTIONS 7"

    with user_with(served, limit) as url:
        assert limits(url)["user"] == 7
    with user_with(served, "") as url:
        assert set(limits(url)) == {"server"}


def test_the_limit_of_a_database(served: Database) -> None:
    if served.name != "postgresql":
        assert "database" not in limits(served.url)
        return
    change = f"ALTER DATABASE {make_url(served.url).database} CONNECTION LIMIT"
    administer(served.admin_url, f"{change} 9")

    with user_with(served, "") as url:
        assert limits(url)["database"] == 9
    assert "database" not in limits(served.url), "a superuser is not bound by it"
    administer(served.admin_url, f"{change} -1")


def test_the_limit_of_a_server(served: Database) -> None:
    if served.name == "postgresql":  # can be changed by a restart only: what the server keeps back is seen instead
        with user_with(served, "") as url:
            assert limits(served.url)["server"] - limits(url)["server"] == 3
        return
    with max_connections(served, 33):
        assert limits(served.url) == {"server": 33}


@pytest.mark.parametrize(("policy", "starts", "level"), [("refuse", False, "critical"), ("warn", True, "warning")])
def test_what_is_too_much_is_refused_or_told(
    served: Database, say_start: SayStart, policy: str, starts: bool, level: str
) -> None:
    answer, events = say_start(workers=9, DATABASE_URL=served.url, POOL_BUDGET=policy, **TOO_MANY)

    assert answer is starts
    assert [event["level"] for event in events] == [level]
    assert "WORKERS 9 x (POOL_SIZE 1000 + WRITER_POOL_SIZE 1000) x 2 during a reload + 5" in events[0]["detail"]
    assert "lower WORKERS" in events[0]["detail"]


def test_a_user_with_too_small_a_share_is_refused(served: Database, say_start: SayStart) -> None:
    limit = "CONNECTION LIMIT 24" if served.name == "postgresql" else "WITH MAX_USER_CONNECTIONS 24"

    with user_with(served, limit) as url:
        refused, events = say_start(DATABASE_URL=url, POOL_BUDGET="refuse")
        fits, _ = say_start(DATABASE_URL=url, POOL_BUDGET="refuse", POOL_SIZE="7")

    assert not refused
    assert "allows 24 connections" in events[0]["detail"]
    assert "= 25;" in events[0]["detail"]
    assert fits, "2 x (7 + 2) + 5 = 23"


def test_what_fits_is_not_worth_a_line(served: Database, say_start: SayStart) -> None:
    assert say_start(DATABASE_URL=served.url, POOL_BUDGET="refuse") == (True, [])


def test_off_asks_nobody(say_start: SayStart) -> None:
    began = time.monotonic()

    with deaf_server() as port:
        assert say_start(DATABASE_URL=f"mysql://u@127.0.0.1:{port}/d", POOL_BUDGET="off") == (True, [])
    assert time.monotonic() - began < 1


def test_a_file_is_not_asked(say_start: SayStart, tmp_path: Path) -> None:
    assert say_start(DATABASE_URL=f"sqlite:///{tmp_path}/x.sqlite3", POOL_BUDGET="refuse", **TOO_MANY) == (True, [])


@pytest.mark.long_form("postgresql")
@pytest.mark.parametrize("kind", ["mysql", "postgresql", "away"])
def test_a_database_that_does_not_answer_is_no_reason_to_refuse(say_start: SayStart, kind: str) -> None:
    began = time.monotonic()

    with deaf_server() as port:
        address = (
            f"postgresql://u:{PASSWORD}@127.0.0.1:1/d"
            if kind == "away"
            else f"{kind}://u:{PASSWORD}@127.0.0.1:{port}/d"
        )
        answer, events = say_start(DATABASE_URL=address, POOL_BUDGET="refuse")

    assert answer
    assert [event["level"] for event in events if event["event"] == "connection budget not checked"] == ["warning"]
    assert PASSWORD not in str(events)
    assert time.monotonic() - began < 3, "two seconds is the promise; one more for a busy machine"
