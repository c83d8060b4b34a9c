"""What can go wrong with a pool; steadypool/errors.py gives these SQLAlchemy's bases as well."""


class PoolError(Exception):
    """What all errors of the pool derive from."""


class PoolExhaustedError(PoolError):
    """All connections are in use, and waiting for one took too long."""


class QueueFullError(PoolExhaustedError):
    """All connections are in use, and as many wait for one as may: refused at once."""


class DatabaseDownError(PoolError):
    """No connection can be made, or none could be within the deadline."""


class DatabaseMisconfiguredError(PoolError):
    """What is set up wrong, however well the database is: an option, a file, a package, a column that is not text."""


class DeadlineExceededError(PoolError):
    """A statement ran out of time, by the server's clock or by ours; the server stops it too."""


class OutcomeUnknownError(PoolError):
    """The answer to COMMIT was lost: everything was written, or nothing. Look before you do it again."""
