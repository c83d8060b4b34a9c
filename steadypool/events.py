"""What we see of a connection's life: statements, COMMIT and ROLLBACK begin and end, errors happen, it is closed."""

import logging
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, Engine, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry

from steadypool.core.loan import Link, Loan
from steadypool.errors import DeadlineExceededError, OutcomeUnknownError
from steadypool.plain import is_plainly_compiled
from steadypool.pool import SteadyPool, current
from steadypool.recovery import CLOSES_CONNECTION, CONCERNS_ALL, REFUSES_COMMIT, Verdict, judge, ran_out_of_time

T = TypeVar("T")

log = logging.getLogger(__name__)

LEAVES_NO_TRACE = "leaves_no_trace"
"""An execution option with which an author vouches for a statement in text: it changes nothing of the session."""

STREAMS = "stream_results"
COMMIT = re.compile(r"\s*(XA\s+)?COMMIT\b", re.IGNORECASE)
"""As a statement, typed by hand or in two phases."""

_known: "WeakKeyDictionary[object, bool]" = WeakKeyDictionary()


def watched(call: Callable[..., None]) -> Callable[..., None]:
    """Return one of the dialect's ways to run a statement (do_execute and its like), watched."""

    def run(cursor: DBAPICursor, *values: Any) -> None:
        context = values[-1]
        # SQLAlchemy's own questions on the first connection come before there is a loan.
        loan = None if context is None or current()[1] is not None else _loan(context.root_connection)
        if loan is None:
            return call(cursor, *values)
        loan.changed = loan.changed or not leaves_no_trace(context)
        loan.committing, loan.unfinished = COMMIT.match(values[0]) is not None, True
        _timed(loan, call, cursor, *values)
        loan.unfinished = False
        if loan.changed and context.execution_options.get(STREAMS):
            context.cursor = _Streamed(cursor, loan)
        return None

    return run


def ended(dialect: Dialect, call: Callable[[Any], None], *, keeps: bool) -> Callable[[Any], None]:
    """Return the dialect's do_commit (which keeps what was done) or do_rollback, watched: no event tells of its end.

    A ROLLBACK that fails while another error is on its way does not take its place; the connection is not kept.
    """

    def end(connection: Any) -> None:
        # As above, and what SQLAlchemy then holds has no info.
        link: Link | None = None if current()[1] is not None else connection.info.get("link")
        if link is None or (loan := link.loan) is None or not is_sent(connection):
            return call(connection)
        # From here on silence means that nobody knows what was kept.
        loan.committing, loan.unfinished = keeps, True
        first = None if keeps else sys.exc_info()[1]
        try:
            _timed(loan, call, connection)
        except Exception:
            if first is None:
                raise
        else:
            loan.unfinished = False
        return None

    def is_sent(connection: Any) -> bool:
        # In autocommit the dialect itself leaves the ROLLBACK out.
        may_skip = not keeps and dialect.skip_autocommit_rollback
        return not (may_skip and dialect.detect_autocommit_setting(connection.dbapi_connection))

    return end


def asked(engine: Engine, call: Callable[..., T]) -> Callable[..., T]:
    """Return one of the dialect's calls that get a driver's connection (those for the isolation level), watched."""

    def ask(connection: Any, *values: Any) -> T:
        pool = engine.pool
        loan = pool.loans.on(connection) if isinstance(pool, SteadyPool) and current()[1] is None else None
        return call(connection, *values) if loan is None else _timed(loan, call, connection, *values)

    return ask


def _timed(loan: Loan, call: Callable[..., T], *values: Any) -> T:
    """Have the watchdog look after a call, and count for how long it kept the connection busy."""
    loan.call_began = monotonic()
    try:
        return call(*values)
    finally:
        loan.end_call()


class _Streamed:
    """A cursor of which the rows come piece by piece, each of them watched."""

    def __init__(self, cursor: Any, loan: Loan) -> None:
        self._cursor, self._loan = cursor, loan

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        # To close it may mean to read the rest.
        return partial(_timed, self._loan, found) if name in ("fetchone", "fetchmany", "fetchall", "close") else found

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
        return False  # it may be left before its end, and the rest would wait for the next borrower
    if options.get(LEAVES_NO_TRACE):
        return True
    if compiled is None:  # a string for the driver
        return False
    if (known := _known.get(compiled)) is None:
        known = _known[compiled] = is_plainly_compiled(compiled)
        if not known:
            log.debug("a statement may change its session, so its connection is not kept: %s", context.statement)
    return known


def is_lost(connection: Connection) -> bool:
    """Tell whether an error has ended the connection's transaction since it was borrowed."""
    loan = _loan(connection)
    return loan is not None and loan.lost


def hear_error(context: ExceptionContext) -> BaseException | None:
    """Decide what is to become of the connection; return the error to raise where time ran out."""
    connection = context.connection
    if connection is None or (loan := _loan(connection)) is None:
        return None
    error, committing = context.original_exception, loan.committing
    verdict = judge(error, context.dialect)
    # Whatever is not a driver's error came in the middle of a statement (or of a COMMIT, which is none): an answer may
    # be left unread. Without a context the statement was not sent; `context.cursor` is never set (SQLAlchemy 2.1.9).
    in_flight = context.execution_context is not None or context.statement is None
    foreign = in_flight and not isinstance(error, context.dialect.loaded_dbapi.Error)
    context.is_disconnect = context.is_disconnect or verdict in CLOSES_CONNECTION or foreign
    lost = context.is_disconnect
    if context.execution_context is None and context.statement is None and not lost:
        # A COMMIT that is refused may leave its transaction open, for the COMMIT of whoever comes next to keep it.
        context.is_disconnect = not _is_rolled_back(connection)
    loan.unfinished = context.is_disconnect
    # MySQL rolls back in a deadlock and would begin anew with the next statement. PostgreSQL refuses all that follows
    # and answers COMMIT with ROLLBACK, which is no error; only a savepoint brings it back.
    is_over = context.dialect.name == "postgresql" and not connection.in_nested_transaction()
    loan.lost = loan.lost or is_over or verdict is Verdict.TRY_AGAIN
    if verdict is Verdict.TRY_AGAIN:
        loan.stats.note("conflicts")
    # Never all of them on suspicion: each is tested before its next use, without a round trip.
    context.invalidate_pool_on_disconnect = False
    if verdict in CONCERNS_ALL and context.engine is not None:
        pool = context.engine.pool
        if isinstance(pool, SteadyPool):
            pool.freshness.doom()
    if not isinstance(error, Exception):
        return None  # Ctrl-C stays what it is
    silent = lost and verdict not in REFUSES_COMMIT
    if committing and (silent or verdict is Verdict.TIMED_OUT):
        return OutcomeUnknownError(f"the answer to COMMIT was lost: {error}")
    if ran_out_of_time(verdict, loan.overdue):
        loan.stats.note("overran")
        return DeadlineExceededError(f"a statement ran out of time: {error}")
    return None


def _is_rolled_back(connection: Connection) -> bool:
    connection.dialect.do_rollback(connection.connection)
    loan = _loan(connection)
    return loan is not None and not loan.unfinished  # else who knows what is left of it


def forget(_connection: object, record: ConnectionPoolEntry) -> None:
    """Count a connection that SQLAlchemy closes, after an error as a rule."""
    link: Link | None = record.info.get("link")
    if link is not None:
        link.end("overdue" if link.loan and link.loan.overdue else "error")


def _loan(connection: Connection) -> Loan | None:
    link: Link | None = None if connection.closed or connection.invalidated else connection.info.get("link")
    return link.loan if link else None
