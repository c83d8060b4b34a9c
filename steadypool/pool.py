"""The pool: SQLAlchemy's, with a fair queue, connections validated before use, and every use watched.

A subclass of `sqlalchemy.Pool`. QueuePool is one as well, but cannot be told to wake the next one when a connect fails,
to limit how many wait, or to let idle connections go (docs/decisions/0007).
"""

import logging
import sys
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Self

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.pool.base import ResetStyle

from steadypool.core.breaker import Breaker
from steadypool.core.connection import Hand, Use, stack_of
from steadypool.core.deadline import CURRENT
from steadypool.core.errors import DatabaseDownError
from steadypool.core.housekeeping import watch_over
from steadypool.core.policy import PoolPolicy
from steadypool.core.rounds import Rounds
from steadypool.core.slots import Slots
from steadypool.core.stats import Stats
from steadypool.drivers import Driver
from steadypool.entry import Entry
from steadypool.errors import PUBLIC
from steadypool.forking import begin_anew_after_fork, disown
from steadypool.opener import Opener
from steadypool.release import Releasing

Borrower = Callable[[], Mapping[str, object]]


log = logging.getLogger(__name__)


class SteadyPool(Releasing):
    """Keeps at most `pool_size` connections and lends at most `max_overflow` more, -1 for any number.

    What QueuePool takes it takes as well, by the same names and with the same meaning. `timeout` bounds the wait for a
    permit and `recycle` a connection's life (seconds, -1 for no end); `pre_ping` has an idle one tested. The rest is in
    the policy. `borrower` says for whom a connection is acquired.
    """

    def __init__(
        self,
        creator: Any,
        # No bare * here: create_engine passes on what it finds among the positional names.
        pool_size: int = 5,
        max_overflow: int = 10,
        timeout: float = 30.0,
        use_lifo: bool = True,
        recycle: float = -1,
        pre_ping: bool = False,
        policy: PoolPolicy | None = None,
        driver: Driver | None = None,
        borrower: Borrower = dict,
        **more: Any,
    ) -> None:
        super().__init__(creator, **more)
        self._made_with: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": max_overflow,
            "timeout": timeout,
            "use_lifo": use_lifo,
            "recycle": recycle,
            "pre_ping": pre_ping,
            "policy": policy,
            "driver": driver,
            "borrower": borrower,
        }
        self.pool_size, self.max_overflow, self.use_lifo = pool_size, max_overflow, use_lifo
        self.recycle, self.pre_ping = recycle if recycle >= 0 else inf, pre_ping
        self.policy = policy or PoolPolicy()
        self._ping_after = self.policy.ping_after_seconds if pre_ping else None
        self.longest_call_seconds = self.policy.longest_call_seconds
        self.dialect: Any = self._dialect
        self._resets = self._reset_on_return is not ResetStyle.reset_none
        self.driver, self.borrower, self._timeout = driver or Driver(self.policy, "writer"), borrower, timeout
        self.compiled: dict[Any, Any] = {}
        """What Lookups are in this dialect."""
        self._begin(Stats())
        begin_anew_after_fork(self)

    def _begin(self, stats: Stats) -> None:
        kept = 0 if self.policy.strategy == "request" else self.pool_size or sys.maxsize
        unlimited = self.max_overflow < 0 or kept == sys.maxsize
        permits = sys.maxsize if unlimited else kept + self.max_overflow
        self.stats, self.breaker = stats, Breaker()
        self.slots: Slots[Entry] = Slots(
            partial(Entry, self),
            stats,
            permits=permits,
            kept=kept,
            most_waiting=self.policy.max_waiting,
            lifo=self.use_lifo,
        )
        self.opener = Opener(self)
        self.rounds = Rounds(self.slots, self.breaker, self.policy, self._close, self._settle)
        self._is_watched = False

    # ---- acquire ----

    def connect(self, *, fresh: bool = False) -> PoolProxiedConnection:
        """Return a connection, one that is made now if it is to be fresh.

        Raises PoolExhaustedError, DatabaseDownError or the driver's error.
        """
        hand = Hand()
        use = Use(monotonic(), CURRENT.get(), hand)
        try:
            entry = self._find(use, fresh=fresh)
            proxy = entry.handed_out(use)
            self._grant(use, entry)
        except BaseException as error:
            self._give_up(use, error)
            raise
        use.changed = not self._resets
        if self.policy.leak_seconds:
            use.borrower, use.borrowed_at = self.borrower(), stack_of(sys._getframe(1))
        return proxy

    def acquire(self, use: Use) -> Entry:
        """Return a connection without a proxy; `_do_return_conn` takes it back."""
        try:
            entry = self._find(use)
            use.borrower = self.borrower()
            self._grant(use, entry)
        except BaseException as error:
            self._give_up(use, error)
            raise
        return entry

    def _find(self, use: Use, *, fresh: bool = False) -> Entry:
        """Return a connection that is good and nobody else's."""
        use.fresh = fresh
        if not self._is_watched:
            watch_over(self)
            self._is_watched = True
        if self.breaker.silent or not self.slots.idle:
            self.breaker.admit(use.deadline)
        entry = self.slots.take(use, self._timeout)
        while True:
            if entry.state != "in use":
                try:
                    self.opener.open(entry)
                    return entry
                except Exception as error:
                    if not self.opener.is_at_limit(error):
                        raise
                    entry = self.opener.wait_for_return(use, entry, error)
            elif (reason := "replaced" if use.fresh else entry.why_unfit(use, self._ping_after)) is None:
                return entry
            else:
                self._close(entry, reason)
                entry = self.slots.exchange(entry, use)

    def _grant(self, use: Use, entry: Entry) -> None:
        if entry.stats is not self.stats:
            disown([entry], self.driver)
            entry.dbapi_connection = None  # so that whoever drops the proxy says nothing on it
            raise DatabaseDownError(
                "the process was forked in the middle of borrowing; this is its parent's connection"
            )
        use.call_began, use.granted = None, monotonic()
        self.slots.took.append((use.granted - use.asked - use.opening, None, 0.0))
        entry.uses += 1
        if use.deadline is not None:
            use.charge_wait(use.granted)

    def _give_up(self, use: Use, error: BaseException) -> None:
        """Give back what was acquired by halves; raise what the error is to the world, if that is another one."""
        self._settle(use, "error")
        if use.deadline is not None:
            use.charge_wait(monotonic())
        if (told := self.opener.failed(use, error)) is not None:
            raise told from (error.__cause__ if type(error) in PUBLIC else error)

    # ---- its life ----

    def _invalidate(
        self, connection: PoolProxiedConnection, exception: BaseException | None = None, _checkin: bool = True
    ) -> None:
        """Have no connection used again that is as old as this one: a listener, or SQLAlchemy, says so."""
        before = self._invalidate_time
        super()._invalidate(connection, exception, _checkin)
        if self._invalidate_time != before:
            self.slots.condemn()

    def dispose(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self.breaker.retire()
        self.slots.count()
        for entry in self.slots.close():
            self._close(entry, "disposed")

    def recreate(self) -> Self:
        """Return a new pool with the same settings and listeners, which goes on counting where this one is."""
        new = self.__class__(
            self._creator,
            dialect=self.dialect,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
            **self._made_with,
        )
        new._begin(self.stats)
        new.breaker.probes = self.breaker.probes
        return new

    def forget_parent(self) -> None:
        """Begin anew in a child process: two processes on one connection would read each other's answers."""
        left = self.slots.left_behind()
        self._begin(Stats())
        disown(left, self.driver)

    def patrol(self, now: float) -> None:
        """Look after all connections once; the housekeeping calls."""
        self.rounds.go(now, self.longest_call_seconds)
