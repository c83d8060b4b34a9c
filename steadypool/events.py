"""What we see of a connection's life: statements, COMMIT and ROLLBACK begin and end, errors happen, it is closed."""

import logging
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, ExceptionContext, PoolProxiedConnection
from sqlalchemy.engine.base import OptionEngine
from sqlalchemy.engine.interfaces import DBAPICursor

from steadypool.core.classify import Phase
from steadypool.core.connection import Use
from steadypool.entry import Entry
from steadypool.errors import PUBLIC
from steadypool.plain import LEAVES_NO_TRACE, is_plainly_compiled
from steadypool.pool import SteadyPool
from steadypool.recovery import verdict_on

T = TypeVar("T")

log = logging.getLogger(__name__)

STREAMS = "stream_results"
COMMIT = re.compile(r"(\s|--[^\n]*(\n|$)|/\*.*?\*/)*((XA\s+)?COMMIT|END)\b", re.IGNORECASE | re.DOTALL)
"""As a statement, typed by hand or in two phases, behind comments; the second is PostgreSQL's."""


class WatchedConnection(Connection):
    """A Connection that shows each of its statements, so that it is known what they leave behind."""

    def __init__(self, engine: Engine, connection: PoolProxiedConnection | None = None, **options: Any) -> None:
        proxy = acquired(engine, engine.raw_connection) if connection is None else connection
        if (use := _use_on(proxy)) is not None:
            use.changed = False  # before anybody listens to `engine_connect`, who may change it
        super().__init__(engine, proxy, **options)


class WatchedOptionEngine(OptionEngine):
    """What `Engine.execution_options` returns."""

    _connection_cls = WatchedConnection


WatchedOptionEngine._option_cls = WatchedOptionEngine


def acquired(engine: Engine, get: Callable[[], PoolProxiedConnection]) -> PoolProxiedConnection:
    """Return what a pool brings; what a driver raises meanwhile SQLAlchemy's events hear of, as in `Engine.connect`."""
    try:
        return get()
    except engine.dialect.loaded_dbapi.Error as error:
        Connection._handle_dbapi_exception_noconnection(error, engine.dialect, engine)
        raise


def use_of(connection: Connection) -> Use | None:
    """Return the use that a Connection makes of what it has acquired, None once it has not got it any more."""
    return _use_on(getattr(connection, "_dbapi_connection", None))


def _use_on(proxy: Any) -> Use | None:
    # While SQLAlchemy asks the first connection what it needs to know, that is still being made.
    record = getattr(proxy, "_connection_record", None)
    return record.use if isinstance(record, Entry) and record.state == "in use" else None


def watched(call: Callable[..., None]) -> Callable[..., None]:
    """Return one of the dialect's ways to run a statement (do_execute and its like), watched."""

    def run(cursor: DBAPICursor, *values: Any) -> None:
        context = values[-1]
        use = None if context is None else use_of(context.root_connection)
        if use is None:
            return call(cursor, *values)
        use.changed = use.changed or not leaves_no_trace(context)
        use.committing, use.unfinished = COMMIT.match(values[0]) is not None, True
        timed(use, call, cursor, *values)
        use.unfinished = False
        if use.changed and context.execution_options.get(STREAMS):
            context.cursor = _Streamed(cursor, use)
        return None

    return run


def ended(dialect: Dialect, call: Callable[[Any], None], *, keeps: bool) -> Callable[[Any], None]:
    """Return the dialect's do_commit (which keeps what was done) or do_rollback, watched: no event tells of its end.

    A ROLLBACK that fails while another error is on its way does not take its place; the connection is not kept.
    """

    def end(proxy: Any) -> None:
        use = _use_on(proxy)
        if use is None or not is_sent(proxy):
            return call(proxy)
        # From here on silence means that nobody knows what was kept.
        use.committing, use.unfinished = keeps, True
        first = None if keeps else sys.exc_info()[1]
        try:
            timed(use, call, proxy)
        except Exception:
            if first is None:
                raise
            use.connection.condemned = "error"  # whatever the caller goes on to do with it
        else:
            use.unfinished = False
        return None

    def is_sent(proxy: Any) -> bool:
        # In autocommit the dialect itself leaves the ROLLBACK out.
        may_skip = not keeps and dialect.skip_autocommit_rollback
        return not (may_skip and dialect.detect_autocommit_setting(proxy.dbapi_connection))

    return end


def asked(engine: Engine, call: Callable[..., T]) -> Callable[..., T]:
    """Return one of the dialect's calls that get a driver's connection (those for the isolation level), watched."""

    def ask(connection: Any, *values: Any) -> T:
        pool = engine.pool
        use = pool.slots.of(connection) if isinstance(pool, SteadyPool) else None
        return call(connection, *values) if use is None else timed(use, call, connection, *values)

    return ask


def watched_isolation(engine: Engine, call: Callable[..., None]) -> Callable[..., None]:
    """Return the dialect's `set_isolation_level` for an engine in autocommit, to which SQLAlchemy returns afterwards.

    On MySQL that leaves the other level in the session, for whoever switches autocommit off, or only reads.
    """

    def change(connection: Any, level: Any) -> None:
        pool = engine.pool
        use = pool.slots.of(connection) if isinstance(pool, SteadyPool) else None
        if use is not None and level != "AUTOCOMMIT":
            use.changed = True
        call(connection, level)

    return change


def timed(use: Use, call: Callable[..., T], *values: Any, **options: Any) -> T:
    """Have the housekeeping look after a call, and count for how long it kept the connection busy.

    From here on its thread may shut the wire (`Roster.cut_overdue`); the call then raises, in this one.
    """
    use.call_began = monotonic()
    try:
        return call(*values, **options)
    finally:
        use.end_call()


class _Streamed:
    """A cursor of which the rows come piece by piece, each of them watched."""

    def __init__(self, cursor: Any, use: Use) -> None:
        self._cursor, self._use = cursor, use

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        # To close it may mean to read the rest.
        return partial(timed, self._use, found) if name in ("fetchone", "fetchmany", "fetchall", "close") else found

    def __del__(self) -> None:
        # The driver's own would read the rest unwatched.
        with suppress(Exception):
            self.close()


def leaves_no_trace(context: Any) -> bool:
    """Tell whether a statement is plain: nothing of it stays behind in the session.

    That is a SELECT, INSERT, UPDATE or DELETE of SQLAlchemy's own constructs. A BEGIN, a SET or a temporary table is
    not, nor a function that SQLAlchemy does not know, such as GET_LOCK(), nor a result that is read in pieces.
    """
    options, compiled = context.execution_options, context.compiled
    if options.get(STREAMS):
        return False  # it may be left before its end, and the rest would wait for the next holder
    if options.get(LEAVES_NO_TRACE):
        return True
    if compiled is None:  # a string for the driver
        return False
    known: bool | None = getattr(compiled, "_leaves_no_trace", None)
    if known is None:
        known = compiled._leaves_no_trace = is_plainly_compiled(compiled)
        if not known:
            log.debug("a statement may change its session, so its connection is not kept: %s", context.statement)
    return known


def is_lost(connection: Connection) -> bool:
    """Tell whether an error has ended the connection's transaction since it was acquired."""
    use = use_of(connection)
    return use is not None and use.lost


def hear_error(context: ExceptionContext) -> BaseException | None:
    """Decide what is to become of the connection; return the error to raise where time ran out."""
    connection = context.connection
    if connection is None or (use := use_of(connection)) is None:
        return None
    phase: Phase = "commit" if use.committing else "statement"
    error = context.original_exception
    # Whatever is not a driver's error came in the middle of a statement (or of a COMMIT, which is none): an answer may
    # be left unread. Without a context the statement was not sent; `context.cursor` is never set (SQLAlchemy 2.1.9).
    in_flight = context.execution_context is not None or context.statement is None
    overdue, is_dead = use.is_over(monotonic()), context.is_disconnect
    verdict = verdict_on(error, context.dialect, phase, overdue=overdue, is_dead=is_dead, in_flight=in_flight)
    use.connection.pool.slots.obey(verdict)
    if verdict.condemns and context.engine is not None and isinstance(context.engine.pool, SteadyPool):
        context.engine.pool.slots.condemn()  # its own may have been disposed of, and this be the next
    # If so, SQLAlchemy's `_handle_dbapi_exception` invalidates the Connection on its way out: `Entry.invalidate` closes
    # and counts, `_do_return_conn` gives the permit to the next. All in this thread, before the caller sees the error.
    context.is_disconnect = verdict.closes
    if context.execution_context is None and context.statement is None and not verdict.closes:
        # A COMMIT that is refused may leave its transaction open, for the COMMIT of whoever comes next to keep it.
        context.is_disconnect = not _is_rolled_back(connection)
    use.unfinished = context.is_disconnect
    # MySQL rolls back in a deadlock and would begin anew with the next statement. PostgreSQL refuses all that follows
    # and answers COMMIT with ROLLBACK, which is no error; only a savepoint brings it back.
    ends_transaction = context.dialect.name == "postgresql" and not connection.in_nested_transaction()
    use.lost = use.lost or ends_transaction or verdict.unit == "again"
    # Never all of them on suspicion: each is tested before its next use, without a round trip.
    context.invalidate_pool_on_disconnect = False
    if verdict.raises is None or not isinstance(error, Exception):  # Ctrl-C stays what it is
        return None
    said = "the answer to COMMIT was lost" if phase == "commit" else "a statement ran out of time"
    return PUBLIC[verdict.raises](f"{said}: {error}")


def _is_rolled_back(connection: Connection) -> bool:
    connection.dialect.do_rollback(connection.connection)
    use = use_of(connection)
    return use is not None and not use.unfinished  # else who knows what is left of it
