"""Where a connection leads to is for the driver to decide: option files, sockets, addresses."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from flask import Flask
from sqlalchemy import URL, Engine, func, make_url, select

from app.extensions import db
from steadypool import DatabaseDownError, deadline, read
from testkit.databases import new_database
from testkit.drivers import MYSQLDB
from testkit.proxy import Proxy
from testkit.servers import Server
from tests.conftest import obtain_or_skip


@pytest.fixture(scope="module")
def mariadb(request: pytest.FixtureRequest) -> Server:
    return obtain_or_skip(request.config, "mariadb")


@pytest.fixture(scope="module")
def on_mariadb(mariadb: Server) -> Iterator[URL]:
    """The address of a database there."""
    with new_database(mariadb) as database:
        yield make_url(database.url)


@pytest.fixture(scope="module")
def on_postgresql(request: pytest.FixtureRequest) -> Iterator[URL]:
    with new_database(obtain_or_skip(request.config, "postgresql")) as database:
        yield make_url(database.url)


@pytest.fixture
def engine_of(make_app: Callable[..., Flask]) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(url: URL, **query: str | list[str]) -> Engine:
        app = make_app(DATABASE_URL=url.update_query_dict(query).render_as_string(hide_password=False))
        with app.app_context():
            made.append(db.engines["reader"])
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def database_of(engine: Engine) -> Any:
    """Ask the database for its name."""
    name = func.current_database() if engine.dialect.name == "postgresql" else func.database()
    return read(engine, lambda connection: connection.scalar(select(name)))


@pytest.mark.parametrize("driver", ["pymysql", MYSQLDB])
def test_an_option_file_names_host_and_port(
    on_mariadb: URL, engine_of: Callable[..., Engine], tmp_path: Path, driver: str
) -> None:
    url, file = on_mariadb, tmp_path / "my.cnf"
    assert url.port
    with Proxy("127.0.0.1", url.port) as proxy:
        file.write_text(f"[client]\nhost=127.0.0.1\nport={proxy.port}\nuser={url.username}\npassword={url.password}\n")

        with proxy.counting() as counts:
            engine = engine_of(make_url(f"mariadb+{driver}:///{url.database}"), read_default_file=str(file))
            assert database_of(engine) == url.database
            engine.dispose()

    assert counts.accepted == 1


@pytest.mark.parametrize("way", ["file", "query", "network"])
def test_a_connection_tells_of_its_host_what_the_driver_would_and_is_as_secure(
    mariadb: Server, on_mariadb: URL, engine_of: Callable[..., Engine], tmp_path: Path, way: str
) -> None:
    if mariadb.folder is None and way != "network":
        pytest.skip("the server is in a container: its socket is not here")
    url, file = on_mariadb, tmp_path / "my.cnf"
    there: dict[str, Any] = {"host": url.host, "port": url.port}
    if way == "network":
        engine = engine_of(url)
    else:
        there = {"unix_socket": f"{mariadb.folder}/s"}
        file.write_text(f"[other]\nsocket={there['unix_socket']}\n")
        query = {"read_default_file": str(file), "read_default_group": "other"} if way == "file" else there
        engine = engine_of(url.set(port=1), **query)  # PyMySQL prefers a socket to any host

    with engine.connect() as connection:
        made: Any = connection.connection.dbapi_connection
        stock = pymysql.connect(user=url.username, password=url.password, **there)
        stock.close()

    assert isinstance(made, pymysql.Connection)
    assert (made.host_info, made._secure) == (stock.host_info, stock._secure)


def test_an_address_to_connect_from(on_mariadb: URL, engine_of: Callable[..., Engine]) -> None:
    with engine_of(on_mariadb, bind_address="127.0.0.7").connect() as connection:
        made: Any = connection.connection.dbapi_connection
        assert made._sock.getsockname()[0] == "127.0.0.7"


def test_a_host_with_a_dead_address_is_reached_at_its_other(
    on_mariadb: URL, engine_of: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address does not answer at all; it may not have all the time there is."""
    with Proxy("127.0.0.1", 1) as hole:
        hole.lose_syns()
        places = [("127.0.0.1", hole.port), ("127.0.0.1", on_mariadb.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
        engine = engine_of(on_mariadb)
        with monkeypatch.context() as patched:
            patched.setattr(socket, "getaddrinfo", lambda *_: found)
            assert database_of(engine) == on_mariadb.database


def test_the_version_6_address_of_a_name_may_be_in_vain(on_mariadb: URL, engine_of: Callable[..., Engine]) -> None:
    assert database_of(engine_of(on_mariadb.set(host="localhost"))) == on_mariadb.database


def test_version_6_alone(engine_of: Callable[..., Engine]) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    with listener:
        engine = engine_of(make_url(f"mysql://u:p@[::1]:{listener.getsockname()[1]}/{secrets.token_hex(4)}"))
        listener.settimeout(3)
        with pytest.raises(DatabaseDownError), deadline.within(0.5):
            engine.connect()
        listener.accept()[0].close()


def test_hosts_in_a_row(on_postgresql: URL, engine_of: Callable[..., Engine]) -> None:
    url = on_postgresql
    with Proxy("127.0.0.1", 1, is_mysql=False) as hole:
        hole.be_silent()
        hosts = [f"127.0.0.1:{hole.port}", f"127.0.0.1:{url.port}"]

        assert database_of(engine_of(url._replace(host=None, port=None), host=hosts)) == url.database


def test_a_service_file_is_libpqs(
    on_postgresql: URL, engine_of: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, file = on_postgresql, tmp_path / "pg_service.conf"
    file.write_text(f"[ours]\nhost={url.host}\nport={url.port}\nuser={url.username}\npassword={url.password}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))

    assert database_of(engine_of(make_url(f"postgresql:///{url.database}"), service="ours")) == url.database


def test_what_libpqs_environment_names_is_used(
    on_postgresql: URL, engine_of: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", str(on_postgresql.host))
    monkeypatch.setenv("PGPORT", str(on_postgresql.port))

    assert database_of(engine_of(on_postgresql._replace(host=None, port=None))) == on_postgresql.database
