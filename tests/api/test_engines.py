"""The two engines: what the settings say is what SQLAlchemy has, and TLS as it is wished for."""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from flask import Flask
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import OperationalError

from app.extensions import db
from steadypool import SteadyPool
from steadypool.drivers.tls import shared_context
from testkit.certificates import make_certificates
from testkit.databases import Database
from testkit.servers import MissingError, Server, start_mariadb_locally
from tests.conftest import dispose, obtain_or_skip
from tests.support.pools import steady

Engines = Callable[..., dict[str | None, Engine]]

ON_SQLITE = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
SET = {
    "POOL_SIZE": "3",
    "WRITER_POOL_SIZE": "4",
    "POOL_MAX_OVERFLOW": "5",
    "POOL_RECYCLE_SECONDS": "77",
    "POOL_PRE_PING": "false",
    "POOL_TIMEOUT_SECONDS": "0.25",
    "POOL_PING_AFTER_SECONDS": "7.5",
    "POOL_MAX_PENDING": "3",
    "POOL_LEAK_SECONDS": "0",
}


@pytest.fixture
def engines(make_app: Callable[..., Flask]) -> Iterator[Engines]:
    """Return the engines of an application with these settings."""
    made: list[Flask] = []

    def make(**environ: str) -> dict[str | None, Engine]:
        made.append(make_app(**environ))
        with made[-1].app_context():
            return dict(db.engines)

    yield make
    for app in made:
        dispose(app)


@ON_SQLITE
@pytest.mark.parametrize(
    ("environ", "sizes", "kept", "policy"),
    [
        ({}, {"reader": 8, None: 2}, (0, 1800, True, 1.0), (30, 64, 10)),
        (SET, {"reader": 3, None: 4}, (5, 77, False, 0.25), (7.5, 3, 0)),
    ],
    ids=["defaults", "set"],
)
def test_pool_settings_reach_both_engines(
    database: Database,
    engines: Engines,
    environ: dict[str, str],
    sizes: dict[str | None, int],
    kept: tuple[object, ...],
    policy: tuple[object, ...],
) -> None:
    for role, engine in engines(DATABASE_URL=database.url, **environ).items():
        pool = steady(engine)

        assert pool.size() == sizes[role]
        assert (pool.max_overflow, pool.recycle, pool.pre_ping, pool.timeout()) == kept
        assert (pool.policy.ping_after_seconds, pool.policy.max_pending, pool.policy.leak_seconds) == policy
        assert pool.snapshot()["size"] == sizes[role] + pool.max_overflow


@ON_SQLITE
@pytest.mark.parametrize("role", ["reader", None])
def test_strategy_request_keeps_no_connection(database: Database, engines: Engines, role: str | None) -> None:
    engine = engines(DATABASE_URL=database.url, POOL_STRATEGY="request")[role]

    for _ in range(2):
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1

    seen = steady(engine).snapshot()
    assert (seen["opened"], seen["idle"], sum(seen["closed"].values())) == (2, 0, 2)


@pytest.mark.long_form("mariadb118")
def test_reader_is_in_autocommit_and_writer_is_not(database: Database, engines: Engines) -> None:
    both = engines(DATABASE_URL=database.url)

    with both["reader"].connect() as connection:
        assert is_in_autocommit(connection.connection.dbapi_connection)
    with both[None].connect() as connection:
        assert not is_in_autocommit(connection.connection.dbapi_connection)


def is_in_autocommit(connection: Any) -> bool:
    """Ask the driver; the servers themselves name the isolation alone."""
    if isinstance(connection, pymysql.connections.Connection):
        return bool(connection.get_autocommit())
    if isinstance(connection, sqlite3.Connection):
        return connection.isolation_level is None
    return bool(connection.autocommit)


@ON_SQLITE
def test_reader_and_writer_may_be_two_databases(database: Database, empty_database: Database, engines: Engines) -> None:
    with empty_database.connect():
        both = engines(DATABASE_URL=database.url, DATABASE_READ_URL=empty_database.url)

    assert both[None].url.database != both["reader"].url.database


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> Callable[[Database], list[Any]]:
    """Note with which TLS context PyMySQL connects to a database from now on."""

    def note_those_to(database: Database) -> list[Any]:
        noted = list[Any]()
        connect = pymysql.connections.Connection.__init__

        def note(self: Any, *arguments: Any, **options: Any) -> None:
            if (
                options.get("port") == make_url(database.url).port
            ):  # the probes of other tests' applications go elsewhere
                noted.append(options.get("ssl"))
            connect(self, *arguments, **options)

        monkeypatch.setattr(pymysql.connections.Connection, "__init__", note)
        return noted

    return note_those_to


def test_all_connections_of_pymysql_share_one_tls_context(
    mysql: Database, engines: Engines, contexts: Callable[[Database], list[Any]]
) -> None:
    both, noted = engines(DATABASE_URL=mysql.url), contexts(mysql)
    for engine in both.values():
        with engine.connect(), engine.connect():
            pass

    assert len(noted) == 4
    assert isinstance(noted[0], ssl.SSLContext)
    assert len(set(map(id, noted))) == 1


# --- TLS: MySQL has it as it comes, MariaDB started here has none ---------------------------------------------------


@pytest.fixture(scope="module", params=["mysql"])
def mysql(request: pytest.FixtureRequest) -> Database:
    return on_server(obtain_or_skip(request.config, request.param))


@pytest.fixture(scope="module", params=["mariadb"])
def mariadb_without_tls(request: pytest.FixtureRequest) -> Database:
    server = obtain_or_skip(request.config, request.param)
    if server.folder is None:
        pytest.skip("mariadb: only one that the tests start themselves is known to have no TLS")
    return on_server(server)


@pytest.fixture(scope="module")
def mariadb_with_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Path]]:
    """A MariaDB whose certificate is good for 127.0.0.1, and the authority that says so."""
    ca, certificate, key = make_certificates(tmp_path_factory.mktemp("certificates"))
    try:
        server = start_mariadb_locally(
            "--ssl-cert={folder}/server.pem",
            "--ssl-key={folder}/key.pem",
            files={"server.pem": certificate, "key.pem": key},
        )
    except MissingError as error:
        pytest.skip(f"mariadb: {error}")
    yield on_server(server), ca
    server.stop()


def on_server(server: Server) -> Database:
    """Return a database that every server has: TLS is the connection's affair, not the tables'."""
    url = server.url.set(database="information_schema").render_as_string(hide_password=False)
    return Database(server.name, url, url, server)


def cipher(both: dict[str | None, Engine]) -> list[str]:
    ciphers = []
    for engine in both.values():
        with engine.connect() as connection:
            ciphers.append(connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()[1])
    return ciphers


@pytest.mark.parametrize(("wish", "used"), [("prefer", True), ("require", True), ("off", False)])
def test_tls_is_used_where_the_server_has_it_unless_it_is_off(
    mysql: Database, engines: Engines, wish: str, used: bool
) -> None:
    assert [bool(name) for name in cipher(engines(DATABASE_URL=mysql.url, DATABASE_TLS=wish))] == [used] * 2


def test_prefer_does_without_where_the_server_has_none_and_asks_no_second_time(
    mariadb_without_tls: Database, engines: Engines, contexts: Callable[[Database], list[Any]]
) -> None:
    both = engines(DATABASE_URL=mariadb_without_tls.url, POOL_STRATEGY="request")
    noted = contexts(mariadb_without_tls)

    assert not any(cipher(both))
    assert noted == [shared_context(False, None)] * 2


def test_require_refuses_a_server_without_tls(mariadb_without_tls: Database, engines: Engines) -> None:
    with pytest.raises(OperationalError, match=r"SSL|TLS"):
        cipher(engines(DATABASE_URL=mariadb_without_tls.url, DATABASE_TLS="require"))


def test_verify_takes_the_authority_that_is_named(mariadb_with_tls: tuple[Database, Path], engines: Engines) -> None:
    database, ca = mariadb_with_tls

    assert all(cipher(engines(DATABASE_URL=database.url, DATABASE_TLS="verify", DATABASE_TLS_CA=str(ca))))


@pytest.mark.parametrize("other", ["authority", "name"])
def test_verify_refuses_another_authority_and_another_name(
    mariadb_with_tls: tuple[Database, Path], engines: Engines, tmp_path: Path, other: str
) -> None:
    (database, ca), host = mariadb_with_tls, "localhost" if other == "name" else "127.0.0.1"
    url = make_url(database.url).set(host=host).render_as_string(hide_password=False)
    trusted = ca if other == "name" else make_certificates(tmp_path)[0]

    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        cipher(engines(DATABASE_URL=url, DATABASE_TLS="verify", DATABASE_TLS_CA=str(trusted)))


def test_prefer_and_require_take_any_certificate(mariadb_with_tls: tuple[Database, Path], engines: Engines) -> None:
    for wish in ("prefer", "require"):
        assert all(cipher(engines(DATABASE_URL=mariadb_with_tls[0].url, DATABASE_TLS=wish)))


def test_a_bind_without_a_policy_is_sqlalchemys_matter() -> None:
    own = db._make_engine("own", {"url": make_url("sqlite://")}, Flask(__name__))

    assert not isinstance(own.pool, SteadyPool)
