"""doctor before servers that answer with a no: what it says is about user, right or plugin, not about the server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import make_url

from app.commands.remedies import OWN_LIMIT
from testkit.databases import Database, administer
from tests.support.tampering import PASSWORD

# To doctor both are one: what differs between them is asked by other tests.
pytestmark = pytest.mark.long_form("mariadb118")

Doctor = Callable[..., dict[str, Any]]


@contextmanager
def user(database: Database, how: str, *more: str, host: str = "%") -> Iterator[str]:
    """Yield the address for a new user who is made that way; `{user}` in the statements after it is that user."""
    name = f"refused_{secrets.token_hex(4)}"
    account = name if database.name == "postgresql" else f"'{name}'@'{host}'"
    try:
        for statement in (f"CREATE USER {{user}} {how}", *more):
            administer(database.admin_url, statement.format(user=account, database=make_url(database.url).database))
        yield make_url(database.url).set(username=name, password=PASSWORD).render_as_string(hide_password=False)
    finally:
        administer(database.admin_url, f"DROP USER {account}")


@contextmanager
def plugin(database: Database, name: str) -> Iterator[None]:
    """Have the server know a plugin for a while."""
    administer(database.admin_url, f"INSTALL SONAME '{name}'")
    try:
        yield
    finally:
        administer(database.admin_url, f"UNINSTALL SONAME '{name}'")


def refused(lines: dict[str, Any]) -> str:
    """Return what doctor tells to do, which is never to start a server that has answered."""
    assert (lines["writer"]["level"], lines["exit"]) == ("problem", 2)
    assert "start the server" not in lines["reader"]["remedy"] + lines["writer"]["remedy"]
    assert PASSWORD not in lines["shown"]
    remedy: str = lines["writer"]["remedy"]
    return remedy


BY = f"IDENTIFIED BY '{PASSWORD}'"
EVERYTHING = "GRANT ALL ON {database}.* TO {user}"


class TestMySQL:
    @pytest.mark.parametrize(
        ("how", "then", "environ", "what_now"),
        [
            (BY, "ALTER USER {user} ACCOUNT LOCK", {}, "ACCOUNT UNLOCK"),
            (
                BY,
                "GRANT ALL ON {database}.* TO {user}; ALTER USER {user} PASSWORD EXPIRE",
                {},
                "the password has expired",
            ),
            (f"{BY} WITH MAX_USER_CONNECTIONS 1", EVERYTHING, {}, None),
            (f"{BY} REQUIRE SSL", EVERYTHING, {"DATABASE_TLS": "off"}, "DATABASE_TLS that is not off"),
            (BY, "DO 1", {}, "GRANT the user access to this database"),
        ],
    )
    def test_an_account_that_is_not_let_in(
        self, mysql_like: Database, doctor: Doctor, how: str, then: str, environ: dict[str, str], what_now: str | None
    ) -> None:
        with user(mysql_like, how, *then.split("; ")) as url:
            lines = doctor(url, **environ)

        if what_now is None:  # reader and writer ask at the same time: one of them is let in
            assert {lines[role]["remedy"] for role in ("reader", "writer")} <= {None, OWN_LIMIT}
            return
        assert what_now in refused(lines)

    def test_a_user_of_the_sockets_plugin(self, migrated: Callable[[str], Database], doctor: Doctor) -> None:
        with user(migrated("mariadb"), "IDENTIFIED VIA unix_socket") as url:
            assert "IDENTIFIED BY a password" in refused(doctor(url))

    def test_a_user_of_a_plugin_that_the_driver_cannot_serve(
        self, migrated: Callable[[str], Database], doctor: Doctor
    ) -> None:
        mariadb, how = migrated("mariadb"), f"IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')"
        with plugin(mariadb, "auth_ed25519"), user(mariadb, how) as url:
            assert "install what it asks for" in refused(doctor(url))

    def test_a_user_who_may_come_from_elsewhere_only(self, mysql_like: Database, doctor: Doctor) -> None:
        with user(mysql_like, BY, host="203.0.113.7") as url:
            assert "correct user and password" in refused(doctor(url))


class TestPostgreSQL:
    @pytest.mark.parametrize(
        ("how", "then", "what_now"),
        [
            (f"WITH NOLOGIN PASSWORD '{PASSWORD}'", "SELECT 1", "LOGIN"),
            (f"WITH PASSWORD '{PASSWORD}' CONNECTION LIMIT 0", "SELECT 1", "ALTER ROLE … CONNECTION LIMIT"),
            (f"WITH PASSWORD '{PASSWORD}' VALID UNTIL '2020-01-01'", "SELECT 1", "correct user and password"),
            ("WITH PASSWORD NULL", "SELECT 1", "correct user and password"),
        ],
    )
    def test_a_role_that_is_not_let_in(
        self, postgresql: Database, doctor: Doctor, how: str, then: str, what_now: str
    ) -> None:
        with user(postgresql, how, then) as url:
            assert what_now in refused(doctor(url))

    @pytest.mark.parametrize(
        ("close", "reopen", "what_now"),
        [
            (
                "ALTER DATABASE {} ALLOW_CONNECTIONS false",
                "ALTER DATABASE {} ALLOW_CONNECTIONS true",
                "ALLOW_CONNECTIONS true",
            ),
            (
                "REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
                "GRANT CONNECT ON DATABASE {} TO PUBLIC",
                "access to this database",
            ),
        ],
        ids=["takes no connections", "lets nobody in"],
    )
    def test_a_database_that_is_closed(
        self, postgresql: Database, doctor: Doctor, close: str, reopen: str, what_now: str
    ) -> None:
        name = make_url(postgresql.url).database
        with user(postgresql, f"WITH PASSWORD '{PASSWORD}'") as url:
            administer(postgresql.admin_url, close.format(name))
            try:
                assert what_now in refused(doctor(url))
            finally:
                administer(postgresql.admin_url, reopen.format(name))

    @pytest.mark.parametrize("tls", ["prefer", "off"])
    def test_the_port_of_a_mysql(self, migrated: Callable[[str], Database], doctor: Doctor, tls: str) -> None:
        there = make_url(migrated("mariadb").url)
        lines = doctor(f"postgresql://u:{PASSWORD}@{there.host}:{there.port}/d", DATABASE_TLS=tls)

        assert refused(lines) == "that is no PostgreSQL: correct host and port in DATABASE_URL"


@pytest.mark.parametrize("kind", ["mysql", "mysql+mysqlconnector", "postgresql"])
def test_a_host_that_no_name_server_knows(doctor: Doctor, kind: str) -> None:
    lines = doctor(f"{kind}://u:{PASSWORD}@no-such-host.invalid/d")

    assert lines["writer"]["remedy"] == "no name server knows that host: correct it in DATABASE_URL"
