"""Users, passwords and databases beyond ASCII: what is sent is UTF-8, wherever a password comes from."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import URL, Engine, event, func, literal, make_url, select

from app.extensions import db
from steadypool import read
from testkit.databases import administer, new_database
from testkit.drivers import MYSQLDB
from testkit.servers import Server
from testkit.waiting import eventually
from tests.conftest import obtain_or_skip
from tests.support.pools import steady

PASSWORDS = {"latin": "pässwort", "cyrillic": "пароль", "emoji": "密码🔑", "signs": "pa${HOME}x %@:/?#"}

# MariaDB and MySQL are reached by the same driver; what is wrong with one alphabet is wrong with all.
pytestmark = pytest.mark.long_form("mysql", "cyrillic", "emoji")


def each_password(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("password", [PASSWORDS[name] for name in names], ids=names)


@pytest.fixture(scope="module", params=["mariadb", "mysql", "postgresql"])
def server(request: pytest.FixtureRequest) -> Server:
    return obtain_or_skip(request.config, request.param)


@pytest.fixture(scope="module")
def address(server: Server) -> Iterator[URL]:
    with new_database(server) as database:
        yield make_url(database.url)


@pytest.fixture
def account_of(server: Server, address: URL) -> Iterator[Callable[[str], URL]]:
    """Return the address of a database for a new user with that password."""
    name, is_postgresql = f"nutzer_ü_{secrets.token_hex(4)}", server.name == "postgresql"
    account = f'"{name}"' if is_postgresql else f"'{name}'@'%'"

    def make(password: str) -> URL:
        has = "LOGIN PASSWORD" if is_postgresql else "IDENTIFIED BY"
        administer(server.url, f"CREATE USER {account} {has} '{password}'".replace(":", r"\:"))
        if not is_postgresql:
            administer(server.url, f"GRANT ALL PRIVILEGES ON *.* TO {account}")
        return address.set(username=name, password=password)

    yield make
    administer(server.url, f"DROP USER {account}")


@pytest.fixture
def engine_of(make_app: Callable[..., Flask]) -> Callable[..., Engine]:
    def make(url: URL, **settings: str) -> Engine:
        app = make_app(DATABASE_URL=url.render_as_string(hide_password=False), **settings)
        with app.app_context():
            return db.engines["reader"]

    return make


def ask(engine: Engine, what: Any) -> Any:
    return read(engine, lambda connection: connection.scalar(select(what)))


@each_password(*PASSWORDS)
@pytest.mark.parametrize("tls", ["prefer", "off"])
def test_a_password_in_the_address(
    account_of: Callable[..., URL], engine_of: Callable[..., Engine], password: str, tls: str
) -> None:
    url = account_of(password)

    assert ask(engine_of(url, DATABASE_TLS=tls), func.current_user()).startswith(url.username)


@pytest.mark.parametrize("driver", ["mysqlconnector", MYSQLDB])
@pytest.mark.parametrize("server", ["mariadb", "mysql"], indirect=True)
@each_password(*PASSWORDS)
def test_with_another_driver(
    server: Server, account_of: Callable[..., URL], engine_of: Callable[..., Engine], password: str, driver: str
) -> None:
    url = account_of(password).set(drivername=f"{server.name}+{driver}")

    assert ask(engine_of(url), literal(1)) == 1


def test_a_password_from_a_listener(account_of: Callable[..., URL], engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(account_of("пароль").set(password="another"))

    @event.listens_for(engine, "do_connect")
    def hand(_dialect: object, _record: object, _given: list[Any], arguments: dict[str, Any]) -> None:
        arguments["password"] = "пароль"

    assert ask(engine, literal(1)) == 1
    steady(engine).breaker.trip("a test says so")
    assert eventually(lambda: steady(engine).breaker.state == "closed")


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
@each_password("latin", "cyrillic")
def test_a_password_in_an_option_file(
    account_of: Callable[..., URL], engine_of: Callable[..., Engine], tmp_path: Path, password: str
) -> None:
    url, file = account_of(password), tmp_path / "my.cnf"
    file.write_text(f"[client]\nuser={url.username}\npassword={password}\nhost={url.host}\nport={url.port}\n")
    bare = url._replace(username=None, password=None, host=None, port=None)

    assert ask(engine_of(bare.update_query_dict({"read_default_file": str(file)})), literal(1)) == 1


def test_a_database_beyond_ascii(server: Server, engine_of: Callable[..., Engine]) -> None:
    name = f"datenbank_ö_{secrets.token_hex(4)}"
    quote = '"' if server.name == "postgresql" else "`"
    extra = " TEMPLATE template0 ENCODING 'UTF8'" if server.name == "postgresql" else ""
    administer(server.url, f"CREATE DATABASE {quote}{name}{quote}{extra}")
    try:
        engine = engine_of(server.url.set(database=name))
        what = func.current_database() if server.name == "postgresql" else func.database()
        assert ask(engine, what) == name
        engine.dispose()
    finally:
        administer(server.url, f"DROP DATABASE {quote}{name}{quote}")
