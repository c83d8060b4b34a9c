"""What SQLAlchemy tells us of a connection's life: statements begin and end, errors happen, it is closed."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Delete,
    ExceptionContext,
    ExecutionContext,
    Function,
    Insert,
    Select,
    TextClause,
    Update,
)
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.elements import ReleaseSavepointClause, RollbackToSavepointClause, SavepointClause
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.sql.visitors import iterate

from app.pool.errors import DeadlineExceededError, OutcomeUnknownError
from app.pool.lending import LendingPool, current
from app.pool.loan import Link, Loan
from app.pool.recovery import CLOSES_CONNECTION, CONCERNS_ALL, REFUSES_COMMIT, Verdict, judge, ran_out_of_time

log = logging.getLogger(__name__)

LEAVES_NO_TRACE = "leaves_no_trace"
"""An execution option with which an author vouches for a statement in text: it changes nothing of the session."""

HARMLESS_FUNCTIONS = re.compile(
    "abs|ceil|char_length|date|day|floor|greatest|ifnull|least|left|length|lower|ltrim|month|nullif|replace|right|round|"
    "rtrim|substr|substring|trim|upper|year",
    re.IGNORECASE,
)
"""Those in daily use of which SQLAlchemy knows no more than the name."""

_known: "WeakKeyDictionary[object, bool]" = WeakKeyDictionary()


def execute(cursor: DBAPICursor, sql: str, values: Any, context: ExecutionContext) -> bool:
    """Run a statement in SQLAlchemy's place (its event do_execute), watched."""
    return _run(context, partial(context.dialect.do_execute, cursor, sql, values, context))


def execute_many(cursor: DBAPICursor, sql: str, values: Any, context: ExecutionContext) -> bool:
    """Run a statement once for each of many sets of values, watched."""
    return _run(context, partial(context.dialect.do_executemany, cursor, sql, values, context))


def execute_without_values(cursor: DBAPICursor, sql: str, context: ExecutionContext) -> bool:
    """Run a statement whose text the driver must not look through for places of values, watched."""
    return _run(context, partial(context.dialect.do_execute_no_params, cursor, sql, context))


def _run(context: ExecutionContext, call: Callable[[], None]) -> bool:
    """Note whether a statement may change its session, and for how long it kept the connection busy."""
    # SQLAlchemy's own questions on the first connection come before there is a loan.
    if current()[1] is not None or (loan := _loan(context.root_connection)) is None:
        return False
    loan.changed = loan.changed or not leaves_no_trace(context)
    loan.committing, loan.call_began = False, monotonic()
    try:
        call()
    finally:
        loan.end_call()
    return True


@contextmanager
def ending(connection: Connection) -> Iterator[None]:
    """Have the watchdog look after a COMMIT or ROLLBACK, of whose end SQLAlchemy tells nobody."""
    loan = _loan(connection)
    if loan is not None:
        loan.call_began = monotonic()
    try:
        yield
    finally:
        if loan is not None:
            loan.end_call()


def begin_commit(connection: Connection) -> None:
    """Note that from here on silence means that nobody knows what was kept."""
    if (loan := _loan(connection)) is not None:
        loan.committing = True


def leaves_no_trace(context: Any) -> bool:
    """Tell whether a statement is plain: nothing of it stays behind in the session.

    That is a SELECT, INSERT, UPDATE or DELETE of SQLAlchemy's own constructs. A BEGIN, a SET or a temporary table is
    not, nor a function that SQLAlchemy does not know, such as GET_LOCK(), nor a result that is read in pieces.
    """
    options, compiled = context.execution_options, context.compiled
    if options.get("stream_results"):
        return False  # it may be left before its end, and the rest would wait for the next borrower
    if options.get(LEAVES_NO_TRACE):
        return True
    if compiled is None:  # a string for the driver
        return False
    if (known := _known.get(compiled)) is None:
        known = _known[compiled] = is_plain(compiled.statement)
        if not known:
            log.debug("a statement may change its session, so its connection is not kept: %s", context.statement)
    return known


def is_plain(statement: Any) -> bool:
    """Tell whether a statement is made of SQLAlchemy's own constructs alone, none of which outlives it."""
    if isinstance(statement, SavepointClause | RollbackToSavepointClause | ReleaseSavepointClause):
        return True
    known = isinstance(statement, Select | CompoundSelect | Insert | Update | Delete)
    return known and not any(map(_is_free_text, iterate(statement)))


def _is_free_text(part: Any) -> bool:
    if isinstance(part, Function):
        # With a schema's name before it, it may be anybody's.
        harmless = not part.packagenames and HARMLESS_FUNCTIONS.fullmatch(part.name)
        return not harmless and not isinstance(part, GenericFunction)
    # count(*) has a column in text as well.
    return isinstance(part, TextClause) or (getattr(part, "is_literal", False) and part.name not in ("*", "1"))


def is_lost(connection: Connection) -> bool:
    """Tell whether an error has ended the connection's transaction since it was borrowed."""
    loan = _loan(connection)
    return loan is not None and loan.lost


def hear_error(context: ExceptionContext) -> BaseException | None:
    """Decide what is to become of the connection; return the error to raise where time ran out."""
    connection = context.connection
    if connection is None or (loan := _loan(connection)) is None:
        return None
    error, verdict = context.original_exception, judge(context.original_exception)
    # Whatever is not a driver's error came in the middle of a statement (or of a COMMIT, which is none): an answer may
    # be left unread. Without a context the statement was not sent; `context.cursor` is never set (SQLAlchemy 2.1.9).
    in_flight = context.execution_context is not None or context.statement is None
    foreign = in_flight and not isinstance(error, context.dialect.loaded_dbapi.Error)
    context.is_disconnect = context.is_disconnect or verdict in CLOSES_CONNECTION or foreign
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
        if isinstance(pool, LendingPool):
            pool.freshness.doom()
    if not isinstance(error, Exception):
        return None  # Ctrl-C stays what it is
    silent = context.is_disconnect and verdict not in REFUSES_COMMIT
    if loan.committing and (silent or verdict is Verdict.TIMED_OUT):
        return OutcomeUnknownError(f"the answer to COMMIT was lost: {error}")
    if ran_out_of_time(verdict, loan.overdue):
        loan.stats.note("overran")
        return DeadlineExceededError(f"a statement ran out of time: {error}")
    return None


def forget(_connection: object, record: ConnectionPoolEntry) -> None:
    """Count a connection that SQLAlchemy closes, after an error as a rule."""
    link: Link | None = record.info.get("link")
    if link is not None:
        link.end("overdue" if link.loan and link.loan.overdue else "error")


def _loan(connection: Connection) -> Loan | None:
    link: Link | None = None if connection.closed or connection.invalidated else connection.info.get("link")
    return link.loan if link else None
