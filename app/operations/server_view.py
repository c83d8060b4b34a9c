"""How the database's server sees our connections: those of this user, without their statements, which hold values."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import current_app
from sqlalchemy import Connection, Engine, Executable, RowMapping, text

from app.extensions import db
from app.operations.budget import described, pools_of
from app.operations.limits import budgets, read_limits
from config import Settings
from steadypool import SteadyPool, read, unwrapped

MOST = 500

_POSTGRESQL = """
    SELECT pid, coalesce(state, backend_type),
           greatest(0, extract(epoch FROM clock_timestamp() - coalesce(state_change, backend_start)))
    FROM pg_stat_activity WHERE usename = current_user ORDER BY pid
"""


@dataclass(frozen=True)
class Session:
    """A connection as the server sees it."""

    id: int
    state: str
    seconds: float
    """In this state."""


@dataclass(frozen=True)
class ServerView:
    """What the reader's server said, or why it said nothing."""

    sessions: Sequence[Session] = ()
    budgets: Sequence[dict[str, Any]] = ()
    silence: str = ""


def ask() -> ServerView:
    """Return what the server sees: two round trips over the reader's pool, within the request's deadline.

    Not where that would be in anybody's way, or tell of the dashboard alone.
    """
    engine = db.engines["reader"]
    if reason := _why_not(engine):
        return ServerView(silence=reason)

    try:
        return read(engine, partial(_look, settings=current_app.extensions["settings"]))
    except Exception as error:
        # The page is there to be seen above all when something is wrong; what it is, the log has from elsewhere.
        return ServerView(silence=f"The server could not be asked: {type(unwrapped(error)).__name__}.")


def _why_not(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return "SQLite is a file: there is no server."
    if isinstance(engine.pool, SteadyPool):
        seen = engine.pool.snapshot()
        if seen["breaker"] != "closed":
            return "The server is not asked while it cannot be reached."
        if seen["in_use"] >= seen["size"]:
            return "The server is not asked while all connections are in use."
    return ""


def _look(connection: Connection, settings: Settings) -> ServerView:
    if connection.dialect.name == "postgresql":
        rows = connection.execute(_harmless(_POSTGRESQL))
        sessions = [Session(pid, state, float(seconds)) for pid, state, seconds in rows]
    else:
        shown = connection.execute(_harmless("SHOW PROCESSLIST")).mappings()
        sessions = [_of_mysql(row) for row in shown if row["User"] == connection.engine.url.username]
    limits = read_limits(connection)
    pools = pools_of(settings)
    here = [pool for pool in pools.values() if pool.url == pools["reader"].url]
    allowed = budgets([(pool, limits) for pool in here], settings.workers)
    return ServerView(sessions[:MOST], [described(budget) for budget in allowed])


def _of_mysql(row: RowMapping) -> Session:
    # Of a user's threads MySQL shows that user all columns. Info, the statement, is not looked at.
    state = f"{row['Command']}: {row['State']}" if row["State"] else str(row["Command"])
    return Session(int(row["Id"]), state, float(row["Time"]))


def _harmless(statement: str) -> Executable:
    return text(statement).execution_options(leaves_no_trace=True)
