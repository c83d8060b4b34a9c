"""Which errors mean that there is no connection to be had, and which that the program is wrong."""

from sqlalchemy import exc

INTERRUPTED = {
    1053,  # MySQL, MariaDB: server shutdown in progress
    1317,  # MySQL, MariaDB: query execution was interrupted (KILL QUERY)
    "57014",  # PostgreSQL: cancelled, by an operator or by statement_timeout
}
"""Errors after which another try may do better, by number or SQLSTATE (the servers' error references)."""

SQLITE_UNUSABLE = {5, 8, 10, 11, 14, 26}
"""SQLite's busy, read-only, I/O error, corrupt, cannot open and not a database (sqlite.org/rescode.html)."""


def is_pool_exhausted(error: BaseException) -> bool:
    """Tell whether all connections were in use for longer than `pool_timeout`."""
    return isinstance(error, exc.TimeoutError)


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the database is away: not reached, lost on the way, or interrupted by its operator.

    SQLAlchemy wraps what a driver raises while connecting without a statement, and marks an error that
    invalidated its connection.
    """
    if not isinstance(error, exc.DBAPIError):
        return False
    return error.connection_invalidated or error.statement is None or _may_pass(error.orig)


def _may_pass(error: BaseException | None) -> bool:
    code = getattr(error, "sqlstate", None) or next(iter(getattr(error, "args", ())), None)
    # The low byte is the result code, the rest details it.
    return code in INTERRUPTED or getattr(error, "sqlite_errorcode", 0) & 0xFF in SQLITE_UNUSABLE
