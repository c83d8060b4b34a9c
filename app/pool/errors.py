"""What the pool raises of its own.

PoolError
├── PoolExhaustedError      all connections in use, and too long a queue
├── DatabaseDownError       no connection can be made
├── DeadlineExceededError   a statement was sent, and its time ran out
├── TransactionLostError    the work passed over an error that had ended its transaction
└── OutcomeUnknownError     COMMIT was sent, and its answer never came
"""

from sqlalchemy import exc


class PoolError(exc.SQLAlchemyError):
    """What all errors of this room derive from."""


class PoolExhaustedError(PoolError, exc.TimeoutError):
    """All connections are in use: the queue is full, or waiting in it took too long."""


class DatabaseDownError(PoolError):
    """No connection can be made, or none could be within the deadline."""


class DeadlineExceededError(PoolError):
    """A statement ran out of time, by the server's clock or by ours; the server stops it too."""


class TransactionLostError(PoolError):
    """The work went on after an error that had ended its transaction, so not all of it could be kept; none is."""


class OutcomeUnknownError(PoolError):
    """The answer to COMMIT was lost: everything was written, or nothing. Look before you do it again."""
