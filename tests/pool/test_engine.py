"""The one way in, and the surface that it shares with SQLAlchemy's own pool."""

from __future__ import annotations

import ast
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import MISSING, fields
from typing import Any

import pytest
from sqlalchemy import Engine, NullPool, QueuePool, exc, select

from steadypool import PoolPolicy, Role, SteadyPool, create_pool_engine
from steadypool import drivers as known
from steadypool.core.policy import TLS
from steadypool.drivers import Driver, driver_named
from testkit import ROOT

URL = "sqlite://"
ONE = select(1)


def connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_pool_engine(URL, PoolPolicy(size=2, max_overflow=1, timeout_seconds=0.05, max_pending=1))
    yield made
    made.dispose()


def test_every_field_of_a_policy_has_a_default_and_a_sentence() -> None:
    (policy,) = (
        node
        for node in ast.parse((ROOT / "steadypool/core/policy.py").read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "PoolPolicy"
    )
    after = dict(zip(policy.body, policy.body[1:], strict=False))
    told = [
        ast.unparse(field.target)
        for field, next_one in after.items()
        if isinstance(field, ast.AnnAssign) and isinstance(next_one, ast.Expr)
    ]

    assert told == [field.name for field in fields(PoolPolicy)]
    assert all(field.default is not MISSING for field in fields(PoolPolicy))


@pytest.mark.parametrize(
    "options",
    [{"pool_size": 9}, {"max_overflow": 1}, {"pool_recycle": 1}, {"pool_pre_ping": False}, {"poolclass": QueuePool}],
)
def test_who_says_otherwise_than_the_policy_is_refused(options: dict[str, Any]) -> None:
    (name,) = options

    with pytest.raises(ValueError, match=f"{name}=.* is given, but policy and role say"):
        create_pool_engine(URL, **options)


@pytest.mark.parametrize("role", ["reader", "writer", "migration"])
def test_who_hands_on_the_policys_options_is_not_whatever_the_role(role: Role) -> None:
    policy = PoolPolicy(size=3, recycle_seconds=60)

    made = create_pool_engine(URL, policy, role=role, connect_args=None, logging_name="m", **policy.engine_options())
    assert made.logging_name == "m"
    with pytest.raises(ValueError, match="pool_size=4 is given"):
        create_pool_engine(URL, policy, role=role, **policy.engine_options() | {"pool_size": 4})


def test_a_reader_is_in_autocommit_whoever_else_says_so() -> None:
    create_pool_engine(URL, role="reader", isolation_level="AUTOCOMMIT")
    with pytest.raises(ValueError, match="isolation_level='SERIALIZABLE' is given"):
        create_pool_engine(URL, role="reader", isolation_level="SERIALIZABLE")


@pytest.mark.parametrize(
    ("database", "driver", "kind"),
    [
        ("mysql", "pymysql", "PyMySQL"),
        ("mariadb", "mysqldb", "MySQLdb"),
        ("tidb", "pymysql", "PyMySQL"),
        ("cockroachdb", "psycopg", "Psycopg"),
        ("sqlite", "pysqlcipher", "SQLite"),
        ("mysql", "cymysql", "MySQL"),
        ("postgresql", "psycopg2", "PostgreSQL"),
        ("oracle", "oracledb", "Driver"),
    ],
)
def test_a_driver_is_known_by_its_name_and_else_by_its_database(database: str, driver: str, kind: str) -> None:
    assert driver_named(database, driver).__name__ == kind


@pytest.mark.parametrize("tls", ["require", "verify"])
def test_a_driver_that_nobody_knows_is_not_trusted_with_tls(tls: TLS) -> None:
    with pytest.raises(ValueError, match=f"tls='{tls}' is for drivers that are known"):
        driver_named("postgresql", "psycopg2")(PoolPolicy(tls=tls), "reader").arguments({})


def test_one_of_mariadbs_is_one_of_mysqls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_drivers", dict(known._drivers))
    monkeypatch.setattr(known, "_by_module", dict(known._by_module))

    class Own(Driver):
        module = "own"

    known.register("mariadb", "own", Own)

    assert driver_named("mariadb", "own") is driver_named("mysql", "own") is Own


def test_a_connection_in_a_wrapper_comes_back() -> None:
    class Wrapper:
        """Hands on what is asked of it, but for what the pool alone wants to know."""

        def __init__(self) -> None:
            self._inside = connect()

        def __getattr__(self, name: str) -> object:
            if name == "in_transaction":
                raise AttributeError(name)
            return getattr(self._inside, name)

    engine = create_pool_engine(URL, PoolPolicy(size=1), role="reader", creator=Wrapper)
    with engine.connect() as connection:
        assert connection.scalar(ONE) == 1
    engine.dispose()


def test_a_migration_keeps_nothing() -> None:
    assert isinstance(create_pool_engine(URL, role="migration").pool, NullPool)


def test_it_tells_what_queuepool_tells(engine: Engine) -> None:
    pool = engine.pool
    assert isinstance(pool, SteadyPool)
    assert (pool.size(), pool.timeout(), pool.checkedin(), pool.checkedout(), pool.overflow()) == (2, 0.05, 0, 0, -2)

    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(engine.connect()).execute(ONE)
        assert (pool.checkedin(), pool.checkedout(), pool.overflow()) == (0, 3, 1)
        with pytest.raises(exc.TimeoutError):
            engine.connect()

    assert (pool.checkedin(), pool.checkedout(), pool.overflow()) == (2, 0, 0)
