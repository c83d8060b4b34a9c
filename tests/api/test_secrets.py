"""No password in a log, a page or an error, whatever goes wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import make_url

from config import Settings
from testkit import ROOT
from testkit.databases import alembic, environment, flask
from tests.conftest import obtain_or_skip
from tests.support.asking import LOOKUP

SECRET = "s3cr3t-Zx9-never-shown"
DRIVERS = [("mysql", "pymysql"), ("mysql", "mysqlconnector"), ("mariadb", "pymysql"), ("postgresql", "psycopg")]

# Asks each page with every kind of client and prints all it was told; what is logged goes to the same pipe.
ASK = """
from tests.support.asking import LOOKUP, bp
from wsgi import app
app.register_blueprint(bp)
client = app.test_client()
plain = [rule.rule for rule in app.url_map.iter_rules() if "GET" in rule.methods and not rule.arguments]
for path in (LOOKUP, *plain):
    for accept in ("text/plain", "application/json", "text/html"):
        answer = client.get(path, headers={"Accept": accept})
        print(answer.status_code, path, answer.headers, answer.get_data(as_text=True))
"""


def ask(url: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        # Who asks for a database that is away waits for the deadline, once: the default one is three seconds.
        env=environment(url, LOG_LEVEL="DEBUG", REQUEST_DEADLINE_SECONDS="1", POOL_TIMEOUT_SECONDS="0.5"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"503 {LOOKUP}" in done.stdout
    return done.stdout


@pytest.mark.parametrize(("server", "driver"), DRIVERS)
def test_a_wrong_password_is_shown_nowhere(request: pytest.FixtureRequest, server: str, driver: str) -> None:
    url = obtain_or_skip(request.config, server).url
    wrong = url.set(drivername=f"{server}+{driver}", password=SECRET, database=url.database or "sakila")

    assert SECRET not in ask(wrong.render_as_string(hide_password=False))


@pytest.mark.parametrize(("server", "driver"), DRIVERS)
def test_a_server_that_is_away_shows_no_password(server: str, driver: str) -> None:
    assert SECRET not in ask(f"{server}+{driver}://somebody:{SECRET}@127.0.0.1:1/sakila")


@pytest.mark.parametrize("command", ["migrate", "seed"])
@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_commands_show_no_password(kind: str, command: str) -> None:
    url = f"{kind}://somebody:{SECRET}@127.0.0.1:1/sakila"

    done = alembic(url, "upgrade", "head") if command == "migrate" else flask(url, "seed")

    assert done.returncode != 0
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://somebody:{SECRET}@127.0.0.1:port/sakila",
        f"oracle://somebody:{SECRET}@127.0.0.1/sakila",
        f"mysql://somebody:{SECRET}@more@127.0.0.1/sakila",
        f"mysql//somebody:{SECRET}@127.0.0.1/sakila",
    ],
)
def test_refused_settings_show_no_password(url: str) -> None:
    done = flask(url, "seed", POOL_SIZE="0")

    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_settings_print_without_passwords(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(DATABASE_URL=f"mysql://somebody:{SECRET}@127.0.0.1/sakila")

    assert settings.database_url.password == SECRET == make_url(settings.database_url).password
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"
