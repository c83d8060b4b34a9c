"""How a pool comes by a new connection: the first one alone, and none more than the server has room for."""

import logging
import threading
from contextlib import suppress
from time import monotonic

from sqlalchemy import exc

from steadypool.core import deadline
from steadypool.core.classify import TABLE
from steadypool.core.connection import Use
from steadypool.core.errors import DatabaseDownError, DatabaseMisconfiguredError, PoolExhaustedError, QueueFullError
from steadypool.core.errors import PoolError as CorePoolError
from steadypool.entry import Entry
from steadypool.errors import PUBLIC, PoolError
from steadypool.recovery import kind_of
from steadypool.surface import Surface

log = logging.getLogger(__name__)


class Opener:
    """Opens the connections of one pool."""

    def __init__(self, pool: Surface) -> None:
        self._pool = pool
        self.first = threading.RLock()
        """Held by who makes the first connection."""

    def open(self, entry: Entry) -> None:
        """Have a connection made."""
        pool, slots = self._pool, self._pool.slots
        if pool.stats.opened:
            entry.get_connection()
        else:
            self._open_first(entry)
        if slots.limit < slots.permits and slots.grow_to(slots.alive()):
            log.warning("the server has room for all %d connections again", slots.permits, extra=pool.log_extra)

    def _open_first(self, entry: Entry) -> None:
        # SQLAlchemy gets to know the server with the first connection, under a lock for which others would wait as long
        # as that takes.
        try:
            if not self.first.acquire(timeout=deadline.seconds_for(threading.TIMEOUT_MAX)):
                raise DatabaseDownError("the first connection was not made within the deadline")
            if not self._pool.stats.opened:
                entry.get_connection()
                return
        except (NotImplementedError, exc.InvalidRequestError) as error:  # what it raises if that connection is lost
            if getattr(self._pool.dialect, "dbapi", None) is None:
                raise
            raise self._pool.dialect.dbapi.OperationalError("the first connection was lost") from error
        finally:
            with suppress(RuntimeError):  # it is another thread's
                self.first.release()
        entry.get_connection()

    def is_at_limit(self, error: BaseException) -> bool:
        """Tell whether the server has no room for more connections than this pool's: it can do with those."""
        return TABLE[kind_of(error, self._pool.dialect)].connect == "wait" and self._pool.slots.alive() > 0

    def wait_for_return(self, use: Use, entry: Entry, error: Exception) -> Entry:
        """Let no more in than there are connections, and wait for one of them, before all others."""
        slots = self._pool.slots
        alive, most = max(1, slots.alive()), slots.permits
        if slots.keep_to(alive):
            said = "the server has no room for more; %d of %d connections have to do: %s"
            log.warning(said, alive, most, error, extra=self._pool.log_extra)
        use.fresh = False  # each new one would cost a good one its place
        use.call_began = None
        entry.end("error")
        slots.give_up_turn(entry)
        seconds = self._pool.timeout()
        left = None if seconds is None else seconds - (monotonic() - use.asked)
        return slots.take(use, left, first=True)

    def failed(self, use: Use, error: BaseException) -> PoolError | None:
        """Count an error that ended an acquire; return what is to be raised in its place, if not itself."""
        pool, down = self._pool, ""
        if isinstance(error, PoolExhaustedError) and type(error) in PUBLIC:  # not another pool's, in a listener
            if pool.breaker.state == "open":  # those in front wait for the database
                down = f"no connection could be made; {error}"
            else:
                pool.stats.note("rejected" if isinstance(error, QueueFullError) else "timeouts")
        elif isinstance(error, DatabaseDownError | DatabaseMisconfiguredError):
            pool.stats.note("unavailable")
        elif isinstance(error, Exception) and not isinstance(error, CorePoolError) and use.is_over(monotonic()):
            down = "no connection could be made within the deadline"
        if down:
            pool.stats.note("unavailable")
            return PUBLIC[DatabaseDownError](down)
        return PUBLIC[type(error)](str(error)) if type(error) in PUBLIC else None
