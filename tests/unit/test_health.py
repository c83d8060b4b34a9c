import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, NullPool, create_engine

from app.operations import health
from app.operations.health import Check, Probe, readiness_of
from steadypool import PoolExhaustedError, SteadyPool


@pytest.mark.parametrize(
    ("reader", "schema", "writer", "status"),
    [
        ("up", "current", "up", "ready"),
        ("up", "newer", "up", "ready"),
        ("up", "unmanaged", "up", "ready"),
        ("up", "older", "up", "unavailable"),
        ("up", "empty", "up", "unavailable"),
        ("up", "current", "down", "degraded"),
        ("up", "current", "busy", "ready"),
        ("busy", "unknown", "up", "ready"),
        ("down", "unknown", "up", "unavailable"),
    ],
)
def test_verdict(reader: Any, schema: Any, writer: Any, status: str) -> None:
    assert readiness_of(Check(reader, schema), Check(writer, "current")).status == status


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make every look at a database wait until this is set."""
    heard = threading.Event()

    def wait(connection: object) -> str:
        heard.wait(10)
        return "current"

    monkeypatch.setattr(health, "schema_state", wait)
    yield heard
    heard.set()


def test_checks_of_a_deaf_database_do_not_pile_up(deaf: threading.Event) -> None:
    probe = Probe(create_engine("sqlite://", poolclass=NullPool))

    first, second = probe.start(), probe.start()
    deaf.set()
    assert first.done.wait(5)
    third = probe.start()
    third.done.wait(5)

    assert first is second
    assert third is not first
    assert first.state == "up"


def test_check_of_another_process_is_not_waited_for(deaf: threading.Event) -> None:
    probe = Probe(create_engine("sqlite://", poolclass=NullPool))
    inherited = probe.start()
    inherited.pid = os.getpid() + 1

    assert probe.start() is not inherited


@pytest.mark.parametrize(
    ("policy", "state"),
    [({"strategy": "request", "size": 2}, "down"), ({"size": 2, "max_overflow": 1}, "down"), ({"size": 2}, "busy")],
    ids=str,
)
def test_only_a_pool_of_which_all_is_lent_is_busy(
    make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, policy: dict[str, Any], state: str
) -> None:
    """What it is until a connection comes, which may be never."""
    engine, waits, over = make_engine(**policy), threading.Event(), threading.Event()

    def connect(_: object) -> Any:
        waits.set()
        over.wait(5)
        raise PoolExhaustedError("the test is over")

    with engine.connect(), engine.connect():
        monkeypatch.setattr(SteadyPool, "connect", connect)
        check = Probe(engine).start()
        assert waits.wait(5)
        seen = check.state
        over.set()
        assert check.done.wait(5)

    assert seen == state


def test_deaf_database_is_down_after_a_second(
    make_app: Callable[..., Flask], deaf: threading.Event, tmp_path: Any
) -> None:
    (tmp_path / "db.sqlite3").touch()
    client = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3").test_client()

    began = time.monotonic()
    response = client.get("/readyz")
    took = time.monotonic() - began

    assert response.status_code == 503
    assert response.get_json()["reader"] == "down"
    assert 0.9 < took < 1.5
