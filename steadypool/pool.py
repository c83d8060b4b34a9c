"""The pool: SQLAlchemy's, with a fair queue, connections validated before use, and every use watched.

A subclass of `sqlalchemy.Pool`. QueuePool is one as well, but cannot be told to wake the next one when a connect fails,
to limit how many wait, or to let idle connections go (docs/decisions/0007).
"""

import sys
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from os import getpid
from time import monotonic
from types import SimpleNamespace
from typing import Any
from weakref import ref

from sqlalchemy import Pool, PoolProxiedConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool.base import ResetStyle, _ConnectionFairy, _finalize_fairy

from steadypool.core import deadline, leaks
from steadypool.core.breaker import Breaker
from steadypool.core.connection import Hand, Use, stack_of
from steadypool.core.deadline import CURRENT
from steadypool.core.errors import DatabaseDownError
from steadypool.core.policy import PoolPolicy
from steadypool.core.rounds import Rounds
from steadypool.core.second_tries import SecondTries
from steadypool.core.slots import Slots
from steadypool.core.stats import CloseReason, Stats
from steadypool.drivers import Driver
from steadypool.entry import Entry
from steadypool.errors import PUBLIC
from steadypool.forking import begin_anew_after_fork, disown
from steadypool.life import Life
from steadypool.opener import Opener

Holder = Callable[[], Mapping[str, object]]


class SteadyPool(Life):
    """Keeps at most `pool_size` connections and lends at most `max_overflow` more, -1 for any number.

    What QueuePool takes it takes as well, with the same meaning. `timeout` bounds the wait for a permit (None: no end)
    and `recycle` a connection's life (seconds, -1: no end); `pre_ping` has an idle one validated. The rest is in the
    policy. `holder` says for whom a connection is acquired.
    """

    _is_asyncio = False  # as QueuePool says it: threads wait here, whatever the dialect

    def __init__(
        self,
        creator: Any,
        # No bare * here: create_engine passes on what it finds among the positional names.
        pool_size: int = 5,
        max_overflow: int = 10,
        timeout: float | None = 30.0,
        use_lifo: bool = True,
        recycle: float = -1,
        pre_ping: bool = False,
        policy: PoolPolicy | None = None,
        driver: Driver | None = None,
        holder: Holder = dict,
        **more: Any,
    ) -> None:
        super().__init__(creator, **more)
        self.pool_size, self.max_overflow, self.use_lifo = pool_size, max_overflow, use_lifo
        self.recycle, self.pre_ping = recycle if recycle >= 0 else inf, pre_ping
        self.policy = policy or PoolPolicy()
        self._ping_after = self.policy.ping_after_seconds if pre_ping else None
        self.longest_call_seconds = self.policy.longest_call_seconds
        self._is_bare = driver is None
        self._resets = self._reset_on_return is not ResetStyle.reset_none
        self.driver, self.holder, self._timeout = driver or Driver(self.policy, "writer"), holder, timeout
        self._made_with: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": max_overflow,
            "timeout": timeout,
            "use_lifo": use_lifo,
            "recycle": recycle,
            "pre_ping": pre_ping,
            "policy": self.policy,
            "driver": self.driver,
            "holder": holder,
        }
        self.compiled: dict[Any, Any] = {}
        """What Lookups are in this dialect."""
        self._begin(Stats())
        begin_anew_after_fork(self)

    def _begin(self, stats: Stats) -> None:
        kept = 0 if self.policy.strategy == "request" else self.pool_size or sys.maxsize
        permits = sys.maxsize if self.max_overflow < 0 or kept == sys.maxsize else kept + self.max_overflow
        self.stats, self.breaker = stats, Breaker(told=self.log_extra)
        self.slots: Slots[Entry] = Slots(
            partial(Entry, self),
            stats,
            permits=permits,
            kept=kept,
            most_pending=self.policy.max_pending,
            lifo=self.use_lifo,
        )
        self.second_tries = SecondTries(stats)
        self.opener, self.came_back = Opener(self), deque[Entry]()
        self.rounds = Rounds(self.slots, self.breaker, self.policy, self._close, self._settle)
        self._is_awake = self._is_disposed = False

    # ---- acquire ----

    def connect(self, *, fresh: bool = False) -> PoolProxiedConnection:
        """Return a connection, one that is made now if it is to be fresh.

        Raises PoolExhaustedError, DatabaseDownError or the driver's error.
        """
        hand = Hand()
        use = Use(monotonic(), CURRENT.get() and deadline.current(), hand)
        try:
            entry = self._find(use, fresh=fresh)
            proxy = Handle(self, entry, use)
            if proxy._echo:
                self.logger.debug("Connection %r checked out from pool", proxy.dbapi_connection)
            _ConnectionFairy._checkout(self, fairy=proxy)
            if self.policy.leak_seconds:
                use.holder, use.acquired_at = self.holder(), stack_of(sys._getframe(1))
            self._grant(use, entry)
        except BaseException as error:
            self._give_up(use, error)
            raise
        use.changed = not self._resets
        return proxy

    def acquire(self, use: Use) -> Entry:
        """Return a connection without a proxy; `_do_return_conn` takes it back."""
        try:
            entry = self._find(use)
            use.holder = self.holder()
            self._grant(use, entry)
        except BaseException as error:
            self._give_up(use, error)
            raise
        return entry

    def _find(self, use: Use, *, fresh: bool = False) -> Entry:
        """Return a connection that is good and nobody else's."""
        use.fresh = fresh
        if not self._is_awake:
            self.wake()
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
        if entry.process != getpid():
            disown([entry], self.driver)
            entry.dbapi_connection = None  # so that whoever drops the proxy says nothing on it
            raise DatabaseDownError("forked in the middle of acquiring, the process has its parent's connection")
        use.call_began, use.granted = None, monotonic()
        self.slots.took.append((use.granted - use.asked - use.opening, None, 0.0))
        entry.uses += 1
        if use.deadline is not None:
            use.charge_wait(use.granted)

    def _give_up(self, use: Use, error: BaseException) -> None:
        """Give back what was acquired by halves; raise what the error is to the world, if that is another one."""
        self._settle(use, "error")
        use.charge_wait(monotonic())
        if (told := self.opener.failed(use, error)) is not None:
            raise told from (error.__cause__ if type(told) is PUBLIC.get(type(error)) else error)

    # ---- release ----

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        entry: Any = record
        if self.stats.lock._is_owned():  # type: ignore[attr-defined] # threading's own
            self.came_back.append(entry)  # by a finalizer, in the middle of what this thread does with the slots
            return
        use: Use | None = entry.use
        if entry.process != getpid():
            disown([entry], self.driver)  # lent before the fork
            return
        if use is None:
            return  # it could not be made, or was taken back before
        try:
            now = monotonic()
            reason = self._why_not_kept(entry, use, now)
            if reason or not self.slots.give_back(entry, now):
                self._close(entry, reason or ("overdue" if use.was_cut else "surplus"))
                self.slots.leave(entry, use)
            if use.reported:
                leaks.report_return(use, now)
        except BaseException:
            self._settle(use, "error")
            raise

    def _why_not_kept(self, entry: Entry, use: Use, now: float) -> CloseReason | None:
        if entry.dbapi_connection is None:
            return "detached"  # or `Entry.invalidate` has closed and counted it: then only `leave` does anything
        if use.granted is None:
            return "error"
        if use.proxy is not None and use.proxy() is None:  # nobody returned it; the garbage collector found it
            self.slots.note_dropped(use)
            if not self._resets:
                return "dropped"  # whatever was done with it
        if use.was_cut:
            return "overdue"
        if use.unfinished:
            return "error"
        # Where nobody watches, a listener may reset what is returned, as SQLAlchemy's documents have it.
        if use.changed and not (self._is_bare and use.proxy is not None and self.dispatch.reset):
            return "changed"
        if use.proxy is not None and self.driver.is_in_transaction(entry.dbapi_connection):
            return "changed"  # by a cursor of the driver's, past SQLAlchemy: the next COMMIT would keep it
        return entry.condemned or ("expired" if now >= entry.expires else None)


class Handle(_ConnectionFairy):
    """What is handed out: SQLAlchemy's own, but for how it is found out that nobody has it any more.

    That uses `weakref.finalize`, which takes longer than all the rest; here the record's reference tells.
    """

    _finalizer: Any = SimpleNamespace(detach=dict)  # what is called, in C and to no effect

    def __init__(self, pool: Pool, entry: Entry, use: Use) -> None:
        self._pool = pool
        self._counter = 0
        self.dbapi_connection = entry.dbapi_connection
        self._connection_record = entry
        self._echo = pool._should_log_debug()
        use.proxy = entry.fairy_ref = ref(self, partial(_forgotten, pool, entry))


def _forgotten(pool: Pool, entry: Entry, _: object, is_over: Callable[[], bool] = sys.is_finalizing) -> None:
    if not is_over():  # at the end of the interpreter others may keep their locks for good
        _finalize_fairy(None, entry, pool, pool._should_log_debug(), is_gc_cleanup=True)
