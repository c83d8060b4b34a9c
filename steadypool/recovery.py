"""What an error of SQLAlchemy's means: the driver's own is inside, and it may have been raised while connecting."""

from typing import Any

from sqlalchemy import Dialect, exc

from steadypool.core.classify import TABLE, ErrorKind, Phase, Verdict, classify
from steadypool.drivers import driver_of
from steadypool.errors import DatabaseDownError, PoolError, TransactionLostError


def kind_of(error: BaseException | None, dialect: Dialect | None = None) -> ErrorKind:
    """Return what an error of SQLAlchemy's means or, of a dialect, a driver's; any other is a mistake.

    What its first argument is counts for nothing unless a driver has raised it: KeyError(1053) is no shutdown.
    """
    if isinstance(error, TransactionLostError):
        return ErrorKind.TRY_AGAIN if error.again else ErrorKind.CONNECTION_DEAD
    if isinstance(error, exc.DBAPIError):
        own = error.orig
        kind = driver_of(own).kind(own) if own is not None and _is_of_a_driver(own) else ErrorKind.MISTAKE
        is_dead = error.connection_invalidated and kind in (ErrorKind.MISTAKE, ErrorKind.FULL, ErrorKind.DENIED)
        return ErrorKind.CONNECTION_DEAD if is_dead else kind
    if error is None or dialect is None or not is_of(dialect, error):
        return ErrorKind.MISTAKE
    return driver_of(error).kind(error)


def verdict_on(
    error: BaseException, dialect: Dialect, phase: Phase, *, overdue: bool, is_dead: bool, in_flight: bool = True
) -> Verdict:
    """Return what is to become of a connection on which this happened.

    `is_dead` is what SQLAlchemy, or a listener, thinks of it; `in_flight` tells whether something was sent.
    """
    kind = ErrorKind.FOREIGN if in_flight and not is_of(dialect, error) else kind_of(error, dialect)
    if is_dead and not TABLE[kind].closes:
        kind = ErrorKind.CONNECTION_DEAD
    return classify(kind, phase, overdue=overdue and isinstance(error, Exception))


def is_of(dialect: Any, error: BaseException) -> bool:
    """Tell whether an error is of a dialect's driver; without an engine, a pool has no dialect that knows one."""
    try:
        return isinstance(error, dialect.loaded_dbapi.Error)
    except (AttributeError, exc.NoDBAPILoaded):
        return _is_of_a_driver(error)


def _is_of_a_driver(error: BaseException) -> bool:
    """Tell it by the name that PEP 249 gives to what all of a driver's errors derive from."""
    return any(each.__name__ == "Error" for each in type(error).__mro__)


def unwrapped(error: BaseException) -> BaseException:
    """Return the pool's own error where SQLAlchemy wraps it: it replaces a lost connection within a statement."""
    inner = error.orig if isinstance(error, exc.StatementError) else None
    return inner if isinstance(inner, PoolError) else error


def is_busy(error: BaseException) -> bool:
    """Tell whether a statement failed because others held what it needs: the database is there."""
    return isinstance(error, exc.DBAPIError) and kind_of(error) is ErrorKind.TRY_AGAIN


def is_refused(error: BaseException) -> bool:
    """Tell whether the data do not allow what a statement wanted."""
    return kind_of(error) is ErrorKind.REFUSED


def is_denied(error: BaseException) -> bool:
    """Tell whether the database knows this user and does not allow what the statement needs."""
    return kind_of(error) is ErrorKind.DENIED


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the database is away: not reached, lost on the way, interrupted, or too busy with others.

    SQLAlchemy wraps what a driver raises while connecting without a statement; and what COMMIT refuses, too.
    """
    if not isinstance(error, exc.DBAPIError):
        return isinstance(error, DatabaseDownError)
    kind = kind_of(error)
    may_pass = TABLE[kind].read != "raise" or kind is ErrorKind.READ_ONLY
    return may_pass or (error.statement is None and kind is not ErrorKind.REFUSED)
