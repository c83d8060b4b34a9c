"""A driver that cannot connect as it is set up: people are told so, and the server is left alone."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymysql
import pytest
from flask import Flask
from sqlalchemy import URL, make_url, text
from werkzeug.test import TestResponse

from app.extensions import db
from testkit.databases import administer, new_database, plain_engine
from testkit.servers import Server
from testkit.waiting import eventually
from tests.conftest import dispose, obtain_or_skip
from tests.support.asking import LOOKUP
from tests.support.commands import MIGRATE, SEED, Command, the_sentence
from tests.support.pools import steady
from tests.support.problems import assert_problem

JSON = {"Accept": "application/json"}
PASSWORD = "hunter2-hunter2"


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    return obtain_or_skip(request.config, "mariadb")


@pytest.fixture
def needs_pynacl(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    """The address of a user whose password goes through a package that is not installed."""
    monkeypatch.setattr(pymysql._auth, "_nacl_bindings", None)
    monkeypatch.setitem(__import__("sys").modules, "nacl", None)
    user = f"ed25519_{secrets.token_hex(4)}"
    administer(server.url, "INSTALL SONAME 'auth_ed25519'")
    with new_database(server) as database:
        administer(
            server.url,
            f"CREATE USER {user}@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')",
            f"GRANT ALL PRIVILEGES ON *.* TO {user}@'%'",
        )
        yield make_url(database.url).set(username=user, password=PASSWORD)
        administer(server.url, f"DROP USER {user}@'%'")
    administer(server.url, "UNINSTALL SONAME 'auth_ed25519'")


def aborted(server: Server) -> int:
    with plain_engine(server.url).connect() as connection:
        return int(connection.execute(text("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")).one()[1])


def test_a_package_that_is_missing_is_no_outage_and_no_storm(
    server: Server, needs_pynacl: URL, make_app: Callable[..., Flask], capfd: pytest.CaptureFixture[str]
) -> None:
    app = make_app(DATABASE_URL=needs_pynacl.render_as_string(hide_password=False))
    before, began = aborted(server), time.monotonic()

    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(visit, app, 2.0) for _ in range(8)]
        answers = [answer for each in asked for answer in each.result()]

    lasted = time.monotonic() - began
    assert len(answers) > 50
    for answer in (answers[0], answers[-1]):
        assert_problem(answer, 503, "database-misconfigured")
        assert "nacl" not in answer.text
        assert answer.headers["Retry-After"] == "1"
    assert {answer.get_json()["type"] for answer in answers} == {"/problems/database-misconfigured"}
    assert 1 <= aborted(server) - before <= lasted + 2
    log = capfd.readouterr().err
    assert "Traceback" not in log
    assert "pynacl" in log
    assert PASSWORD not in log

    ready = app.test_client().get("/readyz")
    told = ready.get_json()
    assert (ready.status_code, told["reader"], told["writer"]) == (503, "misconfigured", "misconfigured")

    administer(server.url, f"ALTER USER {needs_pynacl.username}@'%' IDENTIFIED BY '{PASSWORD}'")
    assert eventually(lambda: app.test_client().get(LOOKUP).status_code == 200)
    dispose(app)


def visit(app: Flask, seconds: float) -> list[TestResponse]:
    client, end, answers = app.test_client(), time.monotonic() + seconds, []
    while time.monotonic() < end:
        answers.append(client.get(LOOKUP, headers=JSON))
        time.sleep(0.02)
    return answers


@pytest.mark.parametrize("command", [MIGRATE, SEED])
def test_a_command_says_it_in_a_sentence(needs_pynacl: URL, command: Command) -> None:
    said = the_sentence(needs_pynacl.render_as_string(hide_password=False), command)

    assert "the driver cannot connect as it is set up" in said


OPTIONS = [
    ("mariadb", "mysql+pymysql", {"collation": "utf8mb4_nonsense"}, "1273"),
    ("mariadb", "mysql+pymysql", {"sql_mode": "NONSENSE"}, "1231"),
    ("mariadb", "mysql+pymysql", {"init_command": "SET nonsense = 1"}, "1193"),
    ("mariadb", "mysql+pymysql", {"init_command": "nonsense"}, "1064"),
    ("mariadb", "mysql+pymysql", {"init_command": "SELECT nonsense"}, "1054"),
    ("mariadb", "mysql+mysqldb", {"init_command": "SET time_zone = 'nowhere'"}, "1298"),
    ("mariadb", "mysql+mysqlconnector", {"time_zone": "nowhere"}, "1298"),
    ("mariadb", "mysql+mysqlconnector", {"init_command": "SET nonsense = 1"}, "1193"),
    ("postgresql", "postgresql", {"options": "-c nonsense=1"}, "unrecognized configuration parameter"),
    ("postgresql", "postgresql", {"options": "-c work_mem=much"}, "invalid value for parameter"),
    ("postgresql", "postgresql", {"options": "project=x"}, "invalid command-line argument"),
    ("postgresql", "postgresql", {"channel_binding": "require"}, "channel binding"),
    ("postgresql", "postgresql", {"require_auth": "gss"}, "authentication method requirement"),
]


@pytest.mark.parametrize(("name", "driver", "options", "said"), OPTIONS)
def test_an_option_that_only_the_server_can_refuse(
    request: pytest.FixtureRequest,
    make_app: Callable[..., Flask],
    doctor: Callable[..., dict[str, Any]],
    capfd: pytest.CaptureFixture[str],
    name: str,
    driver: str,
    options: dict[str, str],
    said: str,
) -> None:
    if driver == "mysql+mysqldb":
        pytest.importorskip("MySQLdb", reason="the second driver is not installed")
    url = make_url(obtain_or_skip(request.config, name).url).set(drivername=driver, query=options)
    address = url.set(database="mysql" if name == "mariadb" else "postgres").render_as_string(hide_password=False)
    app = make_app(DATABASE_URL=address)

    began = time.monotonic()
    answer = app.test_client().get(LOOKUP, headers=JSON)

    assert_problem(answer, 503, "database-misconfigured")
    assert time.monotonic() - began < 2
    assert said in capfd.readouterr().err
    with app.app_context():
        assert [steady(engine).breaker.probes for engine in db.engines.values()] == [0, 0]
    lines = doctor(address)
    assert "correct what stands behind the ? in DATABASE_URL" in lines["shown"]
    dispose(app)
