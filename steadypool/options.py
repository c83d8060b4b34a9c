"""From plain values to SQLAlchemy's engine options, for every driver, for reading and for writing."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, NullPool

from steadypool.connecting import CONNECT_TIMEOUT_SECONDS
from steadypool.lending import Borrower, LendingPool
from steadypool.sqlite import existing_file
from steadypool.tls import TLS, tls_arguments

Role = Literal["reader", "writer", "migration"]

READ_TIMEOUT_SECONDS = 30
"""How long mysqlclient waits for each piece of an answer where no deadline is set, as in commands.

A migration may rebuild a table for hours and is watched by the person who typed it.
"""

LONGEST_CALL_SECONDS = 35.0
"""When the watchdog ends a call that is under no deadline. SQLite's own wait for another writer (30 s) is shorter."""

UNLIMITED = 1000
"""Connections that strategy `request` may have open: as many as a worker can have threads."""

STATEMENT_SHARE = 2 / 3
"""How much of the deadline the server gives a statement: it should stop before we do, so that the connection survives
and nothing goes on for a client that has gone."""


@dataclass(frozen=True)
class PoolPolicy:
    """How connections are kept: the values of the settings with the same names."""

    strategy: Literal["queue", "request"]
    size: int
    max_overflow: int
    recycle_seconds: int
    pre_ping: bool
    timeout_seconds: float
    ping_after_seconds: float
    max_waiting: int
    leak_seconds: float
    deadline_seconds: float
    tls: TLS
    tls_ca: Path | None

    @property
    def statement_seconds(self) -> float:
        """How long the server lets a statement run."""
        return self.deadline_seconds * STATEMENT_SHARE


def engine_options(url: URL, policy: PoolPolicy, *, role: Role, borrower: Borrower = dict) -> dict[str, Any]:
    """Return the arguments of `create_engine`, the URL among them.

    What `borrower` returns goes into the log lines about a connection that is held for too long.
    """
    if url.get_backend_name() == "sqlite" and role != "migration":
        url = existing_file(url)
    return {
        "url": url,
        "connect_args": _connect_arguments(url, policy, role),
        "hide_parameters": True,  # values are what people typed; they do not belong in a log
        **_pool_options(policy, role, borrower),
        **_transaction_options(role),
    }


def driver_of(url: URL) -> str:
    """Return the driver's name: pymysql, mysqldb, mysqlconnector, psycopg or pysqlite."""
    return url.get_driver_name()


def _pool_options(policy: PoolPolicy, role: Role, borrower: Borrower) -> dict[str, Any]:
    if role == "migration":
        return {"poolclass": NullPool}
    keeps = policy.strategy == "queue"
    return {
        "poolclass": LendingPool,
        "pool_size": policy.size if keeps else 0,
        "max_overflow": policy.max_overflow if keeps else UNLIMITED,
        "pool_recycle": policy.recycle_seconds,
        "pool_pre_ping": policy.pre_ping,
        "pool_timeout": policy.timeout_seconds,
        # Whoever began a transaction ends it, and what was used in any other way is closed. A ROLLBACK to be sure would
        # be one more round trip, and might be sent by the garbage collector, in a thread that must not wait.
        "pool_reset_on_return": None,
        "max_waiting": policy.max_waiting,
        "ping_after": policy.ping_after_seconds,
        "leak_after": policy.leak_seconds,
        "longest_call": max(LONGEST_CALL_SECONDS, policy.deadline_seconds),
        "borrower": borrower,
    }


def _transaction_options(role: Role) -> dict[str, Any]:
    if role != "reader":
        return {}
    # A lone SELECT is its own transaction. Without the second option each read would still pay for a ROLLBACK.
    return {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}


def _connect_arguments(url: URL, policy: PoolPolicy, role: Role) -> dict[str, Any]:
    driver = driver_of(url)
    tls = tls_arguments(driver, policy.tls, policy.tls_ca)
    read_timeout = None if role == "migration" else max(READ_TIMEOUT_SECONDS, math.ceil(policy.deadline_seconds))
    match driver:
        case "pymysql":
            # Without time-outs of its own, for which Python would ask the kernel once more before each piece that it
            # sends or reads: the watchdog has the same. `autocommit` said here saves a SET when connecting.
            return {"autocommit": role == "reader", "connect_timeout": CONNECT_TIMEOUT_SECONDS, **tls}
        case "mysqldb":
            timeouts = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "read_timeout": read_timeout or 0}
            return {"charset": "utf8mb4", "autocommit": role == "reader", **timeouts, **tls}
        case "mysqlconnector":
            # The extension in C wants to be built against the server's own library; the pure one runs everywhere.
            # It shows no socket to the watchdog: a silent server is left after so long for each piece of an answer.
            silence = None if role == "migration" else math.ceil(policy.deadline_seconds)
            limits: dict[str, int | None] = {
                "connection_timeout": CONNECT_TIMEOUT_SECONDS,
                "read_timeout": silence,
                "write_timeout": silence,
            }
            return {"use_pure": True, **limits, **tls}
        case "psycopg":
            limit = f"{url.query.get('options', '')} -c statement_timeout={policy.statement_seconds * 1000:.0f}"
            options = {} if role == "migration" else {"options": limit.strip()}
            # A statement that is prepared on its sixth run costs one more round trip, and fails behind PgBouncer.
            session: dict[str, Any] = {"prepare_threshold": None, **options}
            # Otherwise that of the database, which may lack a character that somebody asks for: the driver would fail.
            session["client_encoding"] = "utf8"
            return {"connect_timeout": CONNECT_TIMEOUT_SECONDS, **session, **tls}
    return {"timeout": CONNECT_TIMEOUT_SECONDS}
