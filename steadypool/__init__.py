"""How a threaded program keeps its database connections, on SQLAlchemy; any program's, so nothing here knows Flask."""

from steadypool.causal import after, has_reached, position_of
from steadypool.core import deadline
from steadypool.core.breaker import State
from steadypool.core.credentials import Credentials
from steadypool.core.policy import PoolPolicy
from steadypool.core.stats import BUCKETS, CloseReason, Event
from steadypool.core.threads import start_thread
from steadypool.drivers import Role, code_of
from steadypool.engine import create_pool_engine
from steadypool.errors import (
    DatabaseDownError,
    DatabaseMisconfiguredError,
    DeadlineExceededError,
    OutcomeUnknownError,
    PoolError,
    PoolExhaustedError,
    QueueFullError,
    TransactionLostError,
)
from steadypool.forking import begin_anew_after_fork
from steadypool.lookup import Lookup
from steadypool.pool import SteadyPool
from steadypool.recovery import is_busy, is_denied, is_refused, is_unavailable, unwrapped
from steadypool.retry import in_transaction, read

__all__ = [
    "BUCKETS",
    "CloseReason",
    "Credentials",
    "DatabaseDownError",
    "DatabaseMisconfiguredError",
    "DeadlineExceededError",
    "Event",
    "Lookup",
    "OutcomeUnknownError",
    "PoolError",
    "PoolExhaustedError",
    "PoolPolicy",
    "QueueFullError",
    "Role",
    "State",
    "SteadyPool",
    "TransactionLostError",
    "after",
    "begin_anew_after_fork",
    "code_of",
    "create_pool_engine",
    "deadline",
    "has_reached",
    "in_transaction",
    "is_busy",
    "is_denied",
    "is_refused",
    "is_unavailable",
    "position_of",
    "read",
    "start_thread",
    "unwrapped",
]
