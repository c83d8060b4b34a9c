"""The pool's entry: SQLAlchemy's record of a connection, which is our connection as well."""

from typing import Any

from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool.base import _ConnectionRecord

from steadypool.core.connection import Connection
from steadypool.recovery import is_of


class Entry(Connection, _ConnectionRecord):
    """One connection of a pool, as SQLAlchemy's events and its `Connection` know it."""

    def __init__(self, pool: Any) -> None:  # a SteadyPool, which makes these
        Connection.__init__(self, pool.stats)
        _ConnectionRecord.__init__(self, pool, connect=False)
        self.pool = pool

    def get_connection(self) -> DBAPIConnection:
        """Return the driver's connection; SQLAlchemy makes another one where there is none, or it was invalidated."""
        before = self.dbapi_connection
        connection = super().get_connection()
        if connection is not before:
            if self.state != "connecting":  # by a creator of somebody's own
                self.begin_anew()
            self.made(self.pool.recycle)
        return connection

    def begin_anew(self) -> None:
        """Be one that is being made, whatever was here before."""
        self.end("error")
        self.connecting()

    def invalidate(self, e: BaseException | None = None, soft: bool = False) -> None:
        """Close it, or have it closed when it is released."""
        if self.dbapi_connection is not None:
            self.condemned = self.condemned or "error"  # first: a listener may raise, and leave it open
        try:
            super().invalidate(e, soft)
        finally:
            if self.dbapi_connection is None:
                self.end("overdue" if self.use and self.use.was_cut else "error")

    def answers(self) -> bool:
        """Ping the server."""
        dialect = self.pool.dialect
        if not hasattr(dialect, "do_ping"):  # a pool without an engine; SQLAlchemy says what it lacks
            return bool(dialect._do_ping_w_event(self.dbapi_connection))
        try:
            return bool(dialect.do_ping(self.dbapi_connection))
        except Exception as error:
            if not is_of(dialect, error):
                raise
            return False
