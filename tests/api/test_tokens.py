"""Who listens to `do_connect` decides with what and where to each connect is made, whenever they began to listen."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import URL, Engine, event, func, literal, make_url, select, text
from sqlalchemy.exc import DBAPIError

from app.extensions import db
from steadypool import DatabaseDownError, create_pool_engine, read
from testkit.databases import administer, new_database, plain_engine
from testkit.drivers import MYSQLDB
from testkit.proxy import Proxy
from testkit.servers import Server
from testkit.waiting import eventually
from tests.conftest import obtain_or_skip
from tests.support.policies import POLICY
from tests.support.pools import steady

# MariaDB and MySQL are reached by the same driver.
pytestmark = pytest.mark.long_form("mysql")


@dataclass
class Account:
    """A user whose password is changed like a token that expires."""

    server: Server
    url: URL
    password: str = ""

    def renew(self) -> None:
        """Give the user another password; nobody is told."""
        self.password = secrets.token_hex(8)
        name = self.url.username
        if self.server.name == "postgresql":
            administer(self.server.url, f"ALTER ROLE {name} PASSWORD '{self.password}'")
        else:
            administer(self.server.url, f"ALTER USER '{name}'@'%' IDENTIFIED BY '{self.password}'")


@pytest.fixture(scope="module", params=["mariadb", "mysql", "postgresql"])
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    with account_on(obtain_or_skip(request.config, request.param)) as made:
        yield made


@contextmanager
def account_on(server: Server) -> Iterator[Account]:
    name = f"token_{secrets.token_hex(4)}"
    with new_database(server) as database:
        url = make_url(database.url).set(username=name, password="outdated")
        if server.name == "postgresql":
            orders = [f"CREATE ROLE {name} LOGIN"]
        else:
            orders = [f"CREATE USER '{name}'@'%'", f"GRANT ALL PRIVILEGES ON {url.database}.* TO '{name}'@'%'"]
        administer(server.url, *orders)
        made = Account(server, url)
        made.renew()
        yield made
    administer(server.url, f"DROP USER {name}")


@pytest.fixture
def engine_of(make_app: Callable[..., Flask]) -> Callable[..., Engine]:
    def make(account: Account, driver: str | None = None) -> Engine:
        url = account.url.set(drivername=f"{account.server.name}+{driver}") if driver else account.url
        app = make_app(DATABASE_URL=url.render_as_string(hide_password=False), REQUEST_DEADLINE_SECONDS="2")
        with app.app_context():
            return db.engines["reader"]

    return make


def ask(engine: Engine, what: Any = literal(1)) -> Any:  # noqa: B008 -- nobody changes it
    return read(engine, lambda connection: connection.scalar(select(what)))


def end_all(account: Account) -> None:
    """End every connection of the user, as its server would."""
    name = account.url.username
    if account.server.name == "postgresql":
        administer(
            account.server.url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"
        )
        return
    with plain_engine(account.server.url).connect() as connection:
        for (number,) in connection.execute(
            text(f"SELECT id FROM information_schema.processlist WHERE user = '{name}'")
        ).all():
            connection.execute(text(f"KILL {number}"))


@pytest.mark.parametrize("comes", ["first", "later"])
def test_a_listener_hands_the_token(account: Account, engine_of: Callable[..., Engine], comes: str) -> None:
    def hand(_dialect: object, _record: object, _given: list[Any], arguments: dict[str, Any]) -> None:
        arguments["password"] = account.password

    target = Engine if comes == "first" else engine_of(account)
    event.listen(target, "do_connect", hand)
    try:
        assert ask(target if isinstance(target, Engine) else engine_of(account)) == 1
    finally:
        event.remove(target, "do_connect", hand)


def test_a_token_that_expires_in_an_outage_keeps_nobody_out(account: Account, engine_of: Callable[..., Engine]) -> None:
    assert_it_comes_back(account, engine_of(account), "password")


@pytest.mark.parametrize(("driver", "name"), [("mysqlconnector", "password"), pytest.param(*MYSQLDB.values, "passwd")])
def test_nor_with_another_driver(
    request: pytest.FixtureRequest, engine_of: Callable[..., Engine], driver: str, name: str
) -> None:
    with account_on(obtain_or_skip(request.config, "mariadb")) as account:
        assert_it_comes_back(account, engine_of(account, driver), name)


def assert_it_comes_back(account: Account, engine: Engine, name: str) -> None:
    token = account.password

    @event.listens_for(engine, "do_connect")
    def hand(_dialect: object, record: Any, _given: list[Any], arguments: dict[str, Any]) -> None:
        record.info["asked"] = True
        arguments[name] = token

    assert ask(engine) == 1
    account.renew()
    steady(engine).slots.condemn()  # so that the next one needs a new connection
    with pytest.raises((DBAPIError, DatabaseDownError)):
        ask(engine)
    assert eventually(lambda: steady(engine).breaker.state == "open")

    token = account.password

    assert eventually(lambda: steady(engine).breaker.state == "closed")
    assert ask(engine) == 1


def test_a_listener_leads_elsewhere(account: Account, engine_of: Callable[..., Engine]) -> None:
    is_mysql, port = account.server.name != "postgresql", account.url.port
    assert port
    with Proxy("127.0.0.1", port, is_mysql=is_mysql) as proxy, account_on(account.server) as other:
        engine, target = engine_of(account), account

        @event.listens_for(engine, "do_connect")
        def lead(dialect: Any, _record: object, _given: list[Any], arguments: dict[str, Any]) -> None:
            url = make_url(proxy.url(target.url)).set(password=target.password)
            arguments |= dialect.create_connect_args(url)[1]

        found = []
        with proxy.counting() as counts:
            for each in (account, other):
                target = each
                steady(engine).slots.condemn()
                found.append(ask(engine, func.current_user()))
            engine.dispose()

    assert [name.partition("@")[0] for name in found] == [account.url.username, other.url.username]
    assert counts.accepted == 2


def test_a_listener_brings_a_connection_of_its_own(account: Account, engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(account)

    @event.listens_for(engine, "do_connect")
    def bring(dialect: Any, _record: object, _given: list[Any], arguments: dict[str, Any]) -> Any:
        return dialect.loaded_dbapi.connect(**arguments | {"password": account.password})

    assert_it_is_looked_after(engine, account)


def test_an_engine_with_a_creator_is_looked_after(account: Account, engine_of: Callable[..., Engine]) -> None:
    dialect = engine_of(account).dialect
    arguments = dialect.create_connect_args(account.url.set(password=account.password))[1]
    creator = lambda: dialect.loaded_dbapi.connect(**arguments)  # noqa: E731 -- as short as what a user would write
    engine = create_pool_engine(account.url, POLICY, role="reader", creator=creator)

    assert_it_is_looked_after(engine, account)
    engine.dispose()
    assert ask(engine) == 1
    engine.dispose()


def assert_it_is_looked_after(engine: Engine, account: Account) -> None:
    """See that a connection is kept, found dead without a statement, and probed for."""
    assert [ask(engine), ask(engine)] == [1, 1]
    assert steady(engine).snapshot()["opened"] == 1

    end_all(account)
    assert eventually(lambda: steady(engine).snapshot()["closed"] == {"stale": 1})
    assert ask(engine) == 1

    probes = steady(engine).breaker.probes
    steady(engine).breaker.trip("a test says so")
    assert eventually(lambda: steady(engine).breaker.state == "closed")
    assert steady(engine).breaker.probes == probes + 1
