"""Which errors mean that there is no connection to be had, and which that the program is wrong."""

from sqlalchemy import exc


def is_pool_exhausted(error: BaseException) -> bool:
    """Tell whether all connections were in use for longer than `pool_timeout`."""
    return isinstance(error, exc.TimeoutError)


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the database is away: it could not be reached, or the connection died on the way.

    SQLAlchemy wraps what a driver raises while connecting without a statement, and marks an error that
    invalidated its connection.
    """
    return isinstance(error, exc.DBAPIError) and (error.connection_invalidated or error.statement is None)
