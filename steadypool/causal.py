"""Reading one's own writes from a replica: a read that comes `after` a position waits for it there, or goes elsewhere.

A position says how far a server is, in its database's words. No more than half of a pool's permits wait for one.
"""

from contextvars import ContextVar
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, exc

from steadypool.core import deadline
from steadypool.core.classify import TABLE
from steadypool.events import timed, use_of
from steadypool.plain import LEAVES_NO_TRACE
from steadypool.pool import SteadyPool
from steadypool.recovery import kind_of

T = TypeVar("T")

POLL_SECONDS = 0.005
"""How soon a server is asked again that cannot be told to wait."""


class BehindError(Exception):
    """A replica is not there yet, or nobody can tell."""


class After(NamedTuple):
    """How far a replica has to be, and the engine of the primary, which is."""

    position: str
    primary: Engine


AFTER: ContextVar[After | None] = ContextVar("after", default=None)


class after:  # noqa: N801 -- read as a word: `with after(position, primary):`
    """Have all reads inside see what was written up to a position (of `in_transaction`); "" leads to the primary.

    It holds for engines whose policy has `catch_up_seconds`: these wait that long for their server to be there.
    """

    def __init__(self, position: str, primary: Engine) -> None:
        self._after = After(position, primary)

    def __enter__(self) -> None:
        self._before = AFTER.set(self._after)

    def __exit__(self, *_: object) -> None:
        AFTER.reset(self._before)


def wanted_of(engine: Engine) -> After | None:
    """Return what the reads of this thread have to wait for on an engine, None if for nothing."""
    pool = engine.pool
    return AFTER.get() if isinstance(pool, SteadyPool) and pool.policy.catch_up_seconds else None


def position_of(connection: Connection) -> str:
    """Return how far the server is on which a connection has just committed, "" where it cannot say: one round trip.

    Raises nothing: whatever happens here, what was written is kept.
    """
    pool, use, own = connection.engine.pool, use_of(connection), connection.connection.dbapi_connection
    if not isinstance(pool, SteadyPool) or use is None or deadline.is_over():
        return ""
    try:
        return timed(use, pool.driver.position, own, is_mariadb=_is_mariadb(connection)) or ""
    except Exception:
        use.unfinished = True  # it is closed when it is released
        return ""


def has_reached(connection: Connection, position: str) -> bool:
    """Tell whether the server of a connection is that far, after `catch_up_seconds` or half of the deadline at most.

    One round trip where it is. Raises the DBAPIError of a connection that is lost.
    """
    pool, use = connection.engine.pool, use_of(connection)
    if not isinstance(pool, SteadyPool) or use is None:
        return False
    if _is_there(connection, pool, position, 0):
        return True
    if not pool.slots.let_wait(use):
        return False
    most = pool.policy.catch_up_seconds
    ends = monotonic() + min(most, deadline.seconds_for(2 * most) / 2)
    while (left := ends - monotonic()) > 0:
        if _is_there(connection, pool, position, left):
            use.catching_up = False
            return True
        sleep(max(0.0, min(POLL_SECONDS, ends - monotonic())))
    return False


def _is_there(connection: Connection, pool: SteadyPool, position: str, seconds: float) -> bool:
    asked = pool.driver.reached(position, seconds, is_mariadb=_is_mariadb(connection))
    if asked is None:
        return False
    try:
        result = connection.exec_driver_sql(*asked, execution_options={LEAVES_NO_TRACE: True})
        return bool(result.scalar())
    except exc.DBAPIError as error:
        if TABLE[kind_of(error)].read != "raise":
            raise
        return False  # it takes this for no position of its own


def _is_mariadb(connection: Any) -> bool:
    return bool(getattr(connection.dialect, "is_mariadb", False))
