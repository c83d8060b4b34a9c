"""The password in the file of DATABASE_URL_FILE is changed: the service and its commands go on, and show nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.extensions import db
from testkit import ROOT
from testkit.databases import alembic, environment, flask
from testkit.waiting import eventually
from tests.conftest import obtain_or_skip
from tests.support.accounts import Account, account_on
from tests.support.asking import LOOKUP
from tests.support.pools import steady

SECRETS = "s3cr3t-Zx9-never-shown", "4n0ther-Qw7-never-shown"

# As in test_secrets.py, twice: the file has another password the second time.
ASK = """
import os, pathlib
from tests.support.asking import LOOKUP, bp
from wsgi import app
app.register_blueprint(bp)
client = app.test_client()
file = pathlib.Path(os.environ["DATABASE_URL_FILE"])
plain = [rule.rule for rule in app.url_map.iter_rules() if "GET" in rule.methods and not rule.arguments]
for old, new in [("", ""), ("OLD", "NEW")]:
    file.write_text(file.read_text().replace(old, new))
    for path in (LOOKUP, *plain):
        for accept in ("text/plain", "application/json", "text/html"):
            answer = client.get(path, headers={"Accept": accept})
            print(answer.status_code, path, answer.headers, answer.get_data(as_text=True))
"""

on_each_server = pytest.mark.parametrize("kind", ["mariadb", "mysql", "postgresql"])


@pytest.fixture
def account(request: pytest.FixtureRequest, kind: str) -> Iterator[Account]:
    with account_on(obtain_or_skip(request.config, kind)) as made:
        yield made


@pytest.fixture
def file(account: Account, tmp_path: Path) -> Path:
    made = tmp_path / "url"
    made.write_text(account.address() + "\n")
    return made


@pytest.fixture
def app_of(make_app: Callable[..., Flask], file: Path) -> Callable[..., Flask]:
    return lambda **settings: make_app(DATABASE_URL_FILE=file, REQUEST_DEADLINE_SECONDS="2", **settings)


@on_each_server
@pytest.mark.parametrize("role", ["reader", "writer"])
def test_a_new_password_is_heard_of_without_a_reload(
    account: Account, file: Path, app_of: Callable[..., Flask], role: str
) -> None:
    with app_of().app_context():
        engine = db.engines["reader"] if role == "reader" else db.engine
        engine.connect().close()

        account.renew()
        file.write_text(account.address())
        steady(engine).slots.condemn()
        engine.connect().close()

        seen = steady(engine).snapshot()
    assert (seen["opened"], seen["probes"], seen["unavailable"]) == (2, 0, 0)


@on_each_server
def test_a_file_that_comes_late_ends_the_outage(account: Account, file: Path, app_of: Callable[..., Flask]) -> None:
    app = app_of()
    client = app.test_client()
    assert client.get(LOOKUP).status_code == 200
    with app.app_context():
        pool = steady(db.engines["reader"])

    account.renew()
    pool.slots.condemn()
    assert client.get(LOOKUP).status_code == 503
    file.write_text(account.address())

    assert eventually(lambda: pool.breaker.state == "closed")
    assert client.get(LOOKUP).status_code == 200


@pytest.mark.parametrize("kind", ["mariadb"])
def test_the_reader_has_a_file_of_its_own(account: Account, file: Path, app_of: Callable[..., Flask]) -> None:
    other = file.with_name("reader")
    other.write_text(account.address())
    app = app_of(DATABASE_READ_URL_FILE=other)
    file.write_text("")  # the writer's

    account.renew()
    other.write_text(account.address())

    assert app.test_client().get(LOOKUP).status_code == 200
    with app.app_context():
        assert steady(db.engines["reader"]).snapshot()["probes"] == 0


@pytest.mark.long_form("mysql", "postgresql")  # they read a file, whatever server it leads to
@on_each_server
def test_commands_read_it_when_they_start(account: Account, file: Path) -> None:
    account.renew()
    assert alembic("", "upgrade", "head", DATABASE_URL_FILE=str(file)).returncode != 0

    file.write_text(account.address())

    for done in (
        alembic("", "upgrade", "head", DATABASE_URL_FILE=str(file)),
        flask("", "doctor", DATABASE_URL_FILE=str(file), LOG_LEVEL="DEBUG"),
    ):
        assert "answered in" in done.stdout or "went from" in done.stdout, done.stdout + done.stderr
        assert account.password not in done.stdout + done.stderr


@pytest.mark.long_form("mysql")  # its driver says it as for MariaDB
@on_each_server
def test_no_page_and_no_log_shows_what_it_had_or_has(account: Account, file: Path) -> None:
    old, new = SECRETS
    account.password = old
    file.write_text(account.address())

    done = subprocess.run(
        [sys.executable, "-c", ASK.replace("OLD", old).replace("NEW", new)],
        cwd=ROOT,
        env=environment("", DATABASE_URL_FILE=str(file), LOG_LEVEL="DEBUG", REQUEST_DEADLINE_SECONDS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert new in file.read_text()
    assert done.stdout.count(f"503 {LOOKUP}") == 6
    assert [secret for secret in SECRETS if secret in done.stdout] == []


@pytest.mark.parametrize("kind", ["mariadb"])
def test_the_doctor_shows_no_password_that_is_refused(account: Account, file: Path) -> None:
    account.password = SECRETS[0]
    file.write_text(account.address())

    done = flask("", "doctor", DATABASE_URL_FILE=str(file), LOG_LEVEL="DEBUG")

    assert "1045" in done.stdout
    assert SECRETS[0] not in done.stdout + done.stderr
