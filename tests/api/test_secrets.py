"""No password in a log, a page or an error, whatever goes wrong; of settings: tests/unit/test_settings.py."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from testkit.waiting import eventually
from tests.conftest import dispose, obtain_or_skip
from tests.support.asking import LOOKUP

SECRET = "s3cr3t-Zx9-never-shown"
DRIVERS = [("mysql", "pymysql"), ("mysql", "mysqlconnector"), ("mariadb", "pymysql"), ("postgresql", "psycopg")]

Ask = Callable[[str], str]


@pytest.fixture
def all_is_logged() -> Iterator[None]:
    """Leave to later tests what they have logged themselves."""
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


@pytest.fixture
def ask(make_app: Callable[..., Flask], all_is_logged: None, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Ask each page with every kind of client; return all that it was told, and all that was logged meanwhile."""

    def told(url: str) -> str:
        # Who asks for a database that is away waits for the deadline, once: the default one is three seconds.
        patience = {"REQUEST_DEADLINE_SECONDS": "1", "POOL_TIMEOUT_SECONDS": "0.5"}
        app = make_app(DATABASE_URL=url, LOG_LEVEL="DEBUG", **patience)
        client, answers = app.test_client(), list[str]()
        plain = [rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments]
        for path in (LOOKUP, *plain):
            for accept in ("text/plain", "application/json", "text/html"):
                answer = client.get(path, headers={"Accept": accept})
                answers.append(f"{answer.status_code} {path} {answer.headers} {answer.text}")
        dispose(app)
        assert eventually(lambda: "database-probe" not in [thread.name for thread in threading.enumerate()])
        assert answers[0].startswith(f"503 {LOOKUP}")
        logged = "".join(capfd.readouterr())
        assert '"event": "request"' in logged
        return logged + "".join(answers)

    return told


@pytest.mark.long_form("mariadb")
@pytest.mark.parametrize(("server", "driver"), DRIVERS)
def test_a_wrong_password_is_shown_nowhere(request: pytest.FixtureRequest, ask: Ask, server: str, driver: str) -> None:
    url = obtain_or_skip(request.config, server).url
    wrong = url.set(drivername=f"{server}+{driver}", password=SECRET, database=url.database or "sakila")

    assert SECRET not in ask(wrong.render_as_string(hide_password=False))


@pytest.mark.long_form("mariadb")
@pytest.mark.parametrize(("server", "driver"), DRIVERS)
def test_a_server_that_is_away_shows_no_password(ask: Ask, server: str, driver: str) -> None:
    assert SECRET not in ask(f"{server}+{driver}://somebody:{SECRET}@127.0.0.1:1/sakila")
