"""From plain values to SQLAlchemy's engine options, for every driver, for reading and for writing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, NullPool, QueuePool

from app.pool.sqlite import existing_file
from app.pool.tls import TLS, tls_arguments

Role = Literal["reader", "writer", "migration"]

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS: dict[Role, int | None] = {"reader": 5, "writer": 30, "migration": None}
"""How long PyMySQL waits for each piece of an answer, and PostgreSQL for a statement to end.

Without it a locked table holds a thread for ever. MySQL's own connector has no such limit.

A migration may rebuild a table for hours and is watched by the person who typed it.
"""


@dataclass(frozen=True)
class PoolPolicy:
    """How connections are kept: the values of the settings with the same names."""

    strategy: Literal["queue", "request"]
    size: int
    max_overflow: int
    recycle_seconds: int
    pre_ping: bool
    timeout_seconds: float
    tls: TLS
    tls_ca: Path | None


def engine_options(url: URL, policy: PoolPolicy, *, role: Role) -> dict[str, Any]:
    """Return the arguments of `create_engine`, the URL among them."""
    if url.get_backend_name() == "sqlite" and role != "migration":
        url = existing_file(url)
    return {
        "url": url,
        "connect_args": _connect_arguments(driver_of(url), policy, role),
        "hide_parameters": True,  # values are what people typed; they do not belong in a log
        **_pool_options(policy, role),
        **_transaction_options(role),
    }


def driver_of(url: URL) -> str:
    """Return the driver's name: pymysql, mysqldb, mysqlconnector, psycopg or pysqlite."""
    return url.get_driver_name()


def _pool_options(policy: PoolPolicy, role: Role) -> dict[str, Any]:
    if policy.strategy == "request" or role == "migration":
        return {"poolclass": NullPool}
    return {
        "poolclass": QueuePool,
        "pool_size": policy.size,
        "max_overflow": policy.max_overflow,
        "pool_recycle": policy.recycle_seconds,
        "pool_pre_ping": policy.pre_ping,
        "pool_timeout": policy.timeout_seconds,
        "pool_use_lifo": True,  # the connections that are not needed grow old and go
    }


def _transaction_options(role: Role) -> dict[str, Any]:
    if role != "reader":
        return {}
    # A lone SELECT is its own transaction. Without the second option each read would still pay for a ROLLBACK.
    return {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}


def _connect_arguments(driver: str, policy: PoolPolicy, role: Role) -> dict[str, Any]:
    tls = tls_arguments(driver, policy.tls, policy.tls_ca)
    read_timeout = READ_TIMEOUT_SECONDS[role]
    match driver:
        case "pymysql":
            timeouts = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "read_timeout": read_timeout}
            # Saying it at connect time saves a SET when the connection is made.
            return {"autocommit": role == "reader", "write_timeout": read_timeout, **timeouts, **tls}
        case "mysqldb":
            timeouts = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "read_timeout": read_timeout or 0}
            return {"charset": "utf8mb4", **timeouts, **tls}
        case "mysqlconnector":
            # The extension in C wants to be built against the server's own library; the pure one runs everywhere.
            return {"use_pure": True, "connection_timeout": CONNECT_TIMEOUT_SECONDS, **tls}
        case "psycopg":
            limit = {"options": f"-c statement_timeout={read_timeout}s"} if read_timeout else {}
            return {"connect_timeout": CONNECT_TIMEOUT_SECONDS, **limit, **tls}
    return {"timeout": CONNECT_TIMEOUT_SECONDS}
