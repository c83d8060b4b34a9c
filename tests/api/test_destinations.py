"""Where a connection leads to is for the driver to decide: option files, sockets, addresses."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest
from flask import Flask
from sqlalchemy import Engine, func, make_url, select

from app.extensions import db
from steadypool import DatabaseDownError, deadline, read
from testkit.databases import new_database
from testkit.drivers import MYSQLDB
from testkit.proxy import Proxy
from testkit.servers import Server
from tests.conftest import obtain_or_skip


@pytest.fixture
def mariadb(request: pytest.FixtureRequest) -> Server:
    return obtain_or_skip(request.config, "mariadb")


@pytest.fixture
def engine_of(make_app: Callable[..., Flask]) -> Callable[..., Engine]:
    def make(url: str, **query: str | list[str]) -> Engine:
        wanted = make_url(url).update_query_dict(query)
        app = make_app(DATABASE_URL=wanted.render_as_string(hide_password=False))
        with app.app_context():
            return db.engines["reader"]

    return make


@pytest.mark.parametrize("driver", ["pymysql", MYSQLDB])
def test_an_option_file_names_host_and_port(
    mariadb: Server, engine_of: Callable[..., Engine], tmp_path: Path, driver: str
) -> None:
    url = mariadb.url
    assert url.port
    with Proxy("127.0.0.1", url.port) as proxy, new_database(mariadb) as database:
        file = tmp_path / "my.cnf"
        file.write_text(f"[client]\nhost=127.0.0.1\nport={proxy.port}\nuser={url.username}\npassword={url.password}\n")
        name = make_url(database.url).database

        with proxy.counting() as counts:
            engine = engine_of(f"mariadb+{driver}:///{name}", read_default_file=str(file))
            assert ask(engine, func.database()) == name
            engine.dispose()

    assert counts.accepted == 1


@pytest.mark.parametrize("from_file", [True, False])
def test_a_socket_is_as_secure_as_for_the_driver(
    mariadb: Server, engine_of: Callable[..., Engine], tmp_path: Path, from_file: bool
) -> None:
    if mariadb.folder is None:
        pytest.skip("the server is in a container: its socket is not here")
    path = mariadb.folder / "s"
    with new_database(mariadb) as database:
        url = make_url(database.url)
        if from_file:
            file = tmp_path / "my.cnf"
            file.write_text(f"[other]\nsocket={path}\n")
            query = {"read_default_file": str(file), "read_default_group": "other"}
        else:
            query = {"unix_socket": str(path)}
        # PyMySQL prefers a socket to any host.
        engine = engine_of(url.set(port=1).render_as_string(hide_password=False), **query)

        with engine.connect() as connection:
            made: Any = connection.connection.dbapi_connection
            stock = pymysql.connect(unix_socket=str(path), user=url.username, password=url.password)
            assert (made.host_info, made._secure) == (stock.host_info, stock._secure)
            stock.close()
        engine.dispose()


def test_a_connection_tells_of_its_host_what_the_driver_would(
    mariadb: Server, engine_of: Callable[..., Engine]
) -> None:
    with new_database(mariadb) as database:
        url = make_url(database.url)
        engine = engine_of(database.url)
        with engine.connect() as connection:
            made: Any = connection.connection.dbapi_connection
            stock = pymysql.connect(host=url.host, port=url.port, user=url.username, password=url.password)
            assert (made.host_info, made._secure) == (stock.host_info, stock._secure)
            assert isinstance(made, pymysql.Connection)
            stock.close()
        engine.dispose()


def test_an_address_to_connect_from(mariadb: Server, engine_of: Callable[..., Engine]) -> None:
    with new_database(mariadb) as database:
        engine = engine_of(database.url, bind_address="127.0.0.7")
        with engine.connect() as connection:
            made: Any = connection.connection.dbapi_connection
            assert made._sock.getsockname()[0] == "127.0.0.7"
        engine.dispose()


def test_a_host_with_a_dead_address_is_reached_at_its_other(
    mariadb: Server, engine_of: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address does not answer at all; it may not have all the time there is."""
    with Proxy("127.0.0.1", 1) as hole, new_database(mariadb) as database:
        hole.lose_syns()
        url = make_url(database.url)
        places = [("127.0.0.1", hole.port), ("127.0.0.1", url.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
        engine = engine_of(database.url)
        with monkeypatch.context() as patched:
            patched.setattr(socket, "getaddrinfo", lambda *_: found)
            assert ask(engine, func.database()) == url.database
        engine.dispose()


def test_the_version_6_address_of_a_name_may_be_in_vain(mariadb: Server, engine_of: Callable[..., Engine]) -> None:
    with new_database(mariadb) as database:
        url = make_url(database.url).set(host="localhost")
        engine = engine_of(url.render_as_string(hide_password=False))
        assert ask(engine, func.database()) == url.database
        engine.dispose()


def test_version_6_alone(mariadb: Server, engine_of: Callable[..., Engine]) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    name = secrets.token_hex(4)
    with listener:
        engine = engine_of(f"mysql://u:p@[::1]:{listener.getsockname()[1]}/{name}")
        listener.settimeout(3)
        with pytest.raises(DatabaseDownError), deadline.within(0.5):
            engine.connect()
        listener.accept()[0].close()


def test_hosts_in_a_row(request: pytest.FixtureRequest, engine_of: Callable[..., Engine]) -> None:
    server = obtain_or_skip(request.config, "postgresql")
    with Proxy("127.0.0.1", 1, is_mysql=False) as hole, new_database(server) as database:
        hole.be_silent()
        url = make_url(database.url)
        bare = url._replace(host=None, port=None).render_as_string(hide_password=False)
        engine = engine_of(bare, host=[f"127.0.0.1:{hole.port}", f"127.0.0.1:{url.port}"])
        assert ask(engine, func.current_database()) == url.database
        engine.dispose()


def test_a_service_file_is_libpqs(
    request: pytest.FixtureRequest,
    engine_of: Callable[..., Engine],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    server = obtain_or_skip(request.config, "postgresql")
    with new_database(server) as database:
        url, file = make_url(database.url), tmp_path / "pg_service.conf"
        file.write_text(f"[ours]\nhost={url.host}\nport={url.port}\nuser={url.username}\npassword={url.password}\n")
        monkeypatch.setenv("PGSERVICEFILE", str(file))
        engine = engine_of(f"postgresql:///{url.database}", service="ours")
        assert ask(engine, func.current_database()) == url.database
        engine.dispose()


def test_what_libpqs_environment_names_is_used(
    request: pytest.FixtureRequest, engine_of: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = obtain_or_skip(request.config, "postgresql")
    with new_database(server) as database:
        url = make_url(database.url)
        monkeypatch.setenv("PGHOST", str(url.host))
        monkeypatch.setenv("PGPORT", str(url.port))
        bare = url._replace(host=None, port=None).render_as_string(hide_password=False)
        engine = engine_of(bare)
        assert ask(engine, func.current_database()) == url.database
        engine.dispose()


def ask(engine: Engine, what: Any) -> Any:
    return read(engine, lambda connection: connection.scalar(select(what)))
