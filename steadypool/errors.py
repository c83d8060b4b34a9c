"""What the pool raises of its own.

PoolError
├── PoolExhaustedError      all connections in use for as long as one may wait
│   └── QueueFullError      … and as many wait as may
├── DatabaseDownError       no connection can be made
├── DatabaseMisconfiguredError   the driver cannot even try as it is set up
├── DeadlineExceededError   a statement was sent, and its time ran out
├── TransactionLostError    the work passed over an error that had ended its transaction
└── OutcomeUnknownError     COMMIT was sent, and its answer never came
"""

from sqlalchemy import exc

from steadypool.core import errors as core


class PoolError(core.PoolError, exc.SQLAlchemyError):
    """What all errors of the pool derive from."""


class PoolExhaustedError(core.PoolExhaustedError, PoolError, exc.TimeoutError):
    """All connections are in use, and waiting for one took too long."""


class QueueFullError(core.QueueFullError, PoolExhaustedError):
    """All connections are in use, and as many wait for one as may: refused at once."""


class DatabaseDownError(core.DatabaseDownError, PoolError):
    """No connection can be made, or none could be within the deadline."""


class DatabaseMisconfiguredError(core.DatabaseMisconfiguredError, PoolError):
    """What is set up wrong, however well the database is: an option, a file, a package, a column that is not text."""


class DeadlineExceededError(core.DeadlineExceededError, PoolError):
    """A statement ran out of time, by the server's clock or by ours; the server stops it too."""


class TransactionLostError(PoolError):
    """The work went on after an error that had ended its transaction, so not all of it could be kept; none is."""

    def __init__(self, message: str, *, again: bool = True) -> None:
        super().__init__(message)
        self.again = again
        """Whether the work may be begun again: not if its connection was lost."""


class OutcomeUnknownError(core.OutcomeUnknownError, PoolError):
    """The answer to COMMIT was lost: everything was written, or nothing. Look before you do it again."""


PUBLIC: dict[type[BaseException], type[PoolError]] = {
    core.PoolExhaustedError: PoolExhaustedError,
    core.QueueFullError: QueueFullError,
    core.DatabaseDownError: DatabaseDownError,
    core.DatabaseMisconfiguredError: DatabaseMisconfiguredError,
    core.DeadlineExceededError: DeadlineExceededError,
    core.OutcomeUnknownError: OutcomeUnknownError,
}
"""What is raised to the world for an error of the core, which knows no SQLAlchemy."""
