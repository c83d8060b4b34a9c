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


class PoolError(exc.SQLAlchemyError):
    """What all errors of this room derive from."""


class PoolExhaustedError(PoolError, exc.TimeoutError):
    """All connections are in use, and waiting for one took too long."""


class QueueFullError(PoolExhaustedError):
    """All connections are in use, and as many wait for one as may: refused at once."""


class DatabaseDownError(PoolError):
    """No connection can be made, or none could be within the deadline."""


class DatabaseMisconfiguredError(PoolError):
    """What is set up wrong, however well the database is: an option, a file, a package, a column that is not text."""


class DeadlineExceededError(PoolError):
    """A statement ran out of time, by the server's clock or by ours; the server stops it too."""


class TransactionLostError(PoolError):
    """The work went on after an error that had ended its transaction, so not all of it could be kept; none is."""


class OutcomeUnknownError(PoolError):
    """The answer to COMMIT was lost: everything was written, or nothing. Look before you do it again."""
