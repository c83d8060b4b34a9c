"""What is said in more than one place: in the URL, in `connect_args`, in the policy, by the role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import event, make_url

from steadypool import PoolPolicy, Role, create_pool_engine
from steadypool.drivers import driver_named

PSYCOPG = "postgresql+psycopg://u:p@127.0.0.1:1/d"
PYMYSQL = "mysql+pymysql://u:p@127.0.0.1:1/d"
MYSQLDB = "mysql+mysqldb://u:p@127.0.0.1:1/d"
CONNECTOR = "mysql+mysqlconnector://u:p@127.0.0.1:1/d"
DEFAULT = PoolPolicy()
ALL = [PSYCOPG, PYMYSQL, MYSQLDB, CONNECTOR]


def told(url: str, policy: PoolPolicy = DEFAULT, **options: Any) -> Mapping[str, Any]:
    """Return what a driver would be told, which is then not called."""
    engine, seen = create_pool_engine(url, policy, **options), dict[str, Any]()

    @event.listens_for(engine, "do_connect")
    def look(_dialect: object, _record: object, _positional: object, arguments: dict[str, Any]) -> None:
        seen.update(arguments)
        raise engine.dialect.loaded_dbapi.ProgrammingError("seen")

    with pytest.raises(Exception, match="seen"):
        engine.connect()
    engine.dispose()
    return seen


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        (f"{PSYCOPG}?sslmode=verify-full", "sslmode", "verify-full"),
        (f"{PSYCOPG}?connect_timeout=9", "connect_timeout", "9"),
        (f"{PSYCOPG}?client_encoding=latin1", "client_encoding", "latin1"),
        (f"{MYSQLDB}?ssl_mode=VERIFY_CA", "ssl_mode", "VERIFY_CA"),
        (f"{MYSQLDB}?charset=latin1", "charset", "latin1"),
        (f"{CONNECTOR}?ssl_disabled=true", "ssl_disabled", "true"),
        (f"{PYMYSQL}?ssl_ca=/ca.pem", "ssl", {"ca": "/ca.pem"}),
    ],
)
def test_what_the_url_says_reaches_the_driver(url: str, name: str, value: object) -> None:
    assert told(url)[name] == value


@pytest.mark.parametrize("url", [f"{PSYCOPG}?connect_timeout=9", f"{PYMYSQL}?connect_timeout=9"])
def test_connect_args_come_before_the_url(url: str) -> None:
    assert told(url, connect_args={"connect_timeout": 7})["connect_timeout"] == 7


@pytest.mark.parametrize("url", ALL)
def test_nothing_of_ours_is_said_of_tls_beside_what_somebody_says(url: str) -> None:
    word = "sslmode" if url is PSYCOPG else "ssl_ca"

    assert {name for name in told(url, connect_args={word: "theirs"}) if "ssl" in name} == {word}


def test_what_the_environment_of_libpq_says_of_tls_holds() -> None:
    assert not [name for name in told(PSYCOPG) if name.startswith("ssl")]


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        (f"{PSYCOPG}?sslmode=require", "require"),
        (f"{PYMYSQL}?ssl_ca=/ca.pem", "off"),
        (f"{MYSQLDB}?ssl_mode=REQUIRED", "verify"),
        (f"{CONNECTOR}?ssl_ca=/c", "require"),
    ],
)
def test_tls_in_the_url_and_in_the_policy_is_refused(url: str, tls: Any) -> None:
    with pytest.raises(ValueError, match=rf"tls='{tls}' and ssl.*: say in one place how TLS is to be"):
        create_pool_engine(url, PoolPolicy(tls=tls))


def test_a_clients_own_certificate_goes_with_the_policys_tls() -> None:
    seen = told(f"{PSYCOPG}?sslcert=/me.pem&sslkey=/me.key", PoolPolicy(tls="verify"))

    assert (seen["sslmode"], seen["sslcert"], seen["sslkey"]) == ("verify-full", "/me.pem", "/me.key")


@pytest.mark.parametrize(
    ("query", "role", "args", "options"),
    [
        ("", "reader", {}, "-c statement_timeout=2000"),
        ("?options=-csearch_path%3Dfoo", "reader", {}, "-csearch_path=foo -c statement_timeout=2000"),
        ("", "writer", {"options": "-c jit=off"}, "-c jit=off -c statement_timeout=2000"),
        ("?options=-csearch_path%3Dfoo", "migration", {}, "-csearch_path=foo"),
        ("", "migration", {}, None),
    ],
)
def test_options_of_a_postgresql_url_hold_beside_the_limit_for_statements(
    query: str, role: Role, args: dict[str, Any], options: str | None
) -> None:
    assert told(f"{PSYCOPG}{query}", role=role, connect_args=args).get("options") == options


@pytest.mark.parametrize(("url", "args"), [(f"{PYMYSQL}?autocommit=true", {}), (PSYCOPG, {"autocommit": False})])
def test_autocommit_is_the_roles_matter(url: str, args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"autocommit=.* is given, but that is for the role to say: 'reader'"):
        create_pool_engine(url, role="reader", connect_args=args)


def test_an_option_file_may_say_how_tls_is_to_be() -> None:
    url = make_url(PYMYSQL)
    driver = driver_named(url.get_backend_name(), url.get_driver_name())(PoolPolicy(), "reader")

    assert not [name for name in driver.arguments({"read_default_file": "/my.cnf"}) if name.startswith("ssl")]


def test_a_pool_of_ones_own_is_for_create_engine() -> None:
    with pytest.raises(ValueError, match="this makes an engine's pool"):
        create_pool_engine(PYMYSQL, pool=object())


@pytest.mark.parametrize("role", ["read", "Reader", ""])
def test_a_role_that_there_is_not_is_refused(role: Any) -> None:
    with pytest.raises(ValueError, match="role must be one of reader, writer, migration"):
        create_pool_engine(PYMYSQL, role=role)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("tls", "verify-full", "tls must be one of prefer, require, verify, off"),
        ("tls", True, "tls must be one of"),
        ("strategy", "que", "strategy must be one of queue, request"),
        ("size", "8", "size must be a whole number"),
        ("max_overflow", 0.5, "max_overflow must be a whole number"),
        ("max_pending", 1.0, "max_pending must be a whole number"),
        ("size", 0, "size must be"),
        ("max_overflow", -1, "max_overflow must be"),
        ("max_pending", -1, "max_pending must be"),
        ("timeout_seconds", 0, "timeout_seconds must be"),
        ("recycle_seconds", 0, "recycle_seconds must be"),
        ("ping_after_seconds", -1, "ping_after_seconds must be"),
        ("leak_seconds", -1, "leak_seconds must be"),
        ("deadline_seconds", float("inf"), "deadline_seconds must be from 0.01 to 86,400"),
        ("deadline_seconds", float("nan"), "deadline_seconds must be from 0.01"),
        ("deadline_seconds", 0.0001, "deadline_seconds must be from 0.01"),
        ("deadline_seconds", 1e9, "deadline_seconds must be from 0.01"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(name: str, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        PoolPolicy(**{name: value})
