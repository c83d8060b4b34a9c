"""The pool: SQLAlchemy's, with admission in order, connections tested before use, and every loan watched.

A subclass of `sqlalchemy.Pool` in the way of SQLAlchemy's own: it hands out a record (`_do_get`) and takes it back
(`_do_return_conn`). QueuePool does so too, but cannot be told to wake the next one when a connect fails, to limit how
many wait, or to let idle connections go (docs/decisions/0007).
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any, Self
from weakref import WeakSet, ref

from sqlalchemy import Dialect, Pool, PoolProxiedConnection
from sqlalchemy.pool import ConnectionPoolEntry

from app.pool import deadline, freshness, leaks
from app.pool.admission import Gate
from app.pool.breaker import Breaker
from app.pool.errors import DatabaseDownError
from app.pool.loan import Link, Loan
from app.pool.stats import CloseReason, Stats
from app.pool.watchdog import watch_over

Borrower = Callable[[], Mapping[str, object]]

TIDY_EVERY_SECONDS = 1.0

_thread = threading.local()
"""`borrowing`: the pool and loan this thread is busy with; `fresh`: its next loan is to be a new connection."""

_pools: "WeakSet[LendingPool]" = WeakSet()
_inherited: list[object] = []
"""Connections of a parent process. They are kept, not closed: a goodbye would end the parent's session."""


def current() -> "tuple[LendingPool | None, Loan | None]":
    """Return the pool and the loan for which this thread is just getting a connection, if it is."""
    return getattr(_thread, "borrowing", (None, None))


def want_fresh() -> None:
    """Make this thread's next loan a connection that is made then."""
    _thread.fresh = True


class LendingPool(Pool):
    """Keeps at most `pool_size` connections and lends at most `max_overflow` more.

    `timeout` bounds the wait for a permit and `recycle` a connection's life (seconds); `pre_ping` has an idle one
    tested. Ours are `max_waiting` threads, `ping_after` seconds of idling before the test costs a round trip,
    `leak_after` seconds of holding, 0 for never, and `borrower`, which says for whom a connection is borrowed.
    """

    def __init__(
        self,
        creator: Any,
        # No bare * here: create_engine passes on what it finds among the positional names.
        pool_size: int,
        max_overflow: int,
        timeout: float,
        recycle: float,
        pre_ping: bool,
        max_waiting: int,
        ping_after: float,
        leak_after: float,
        dialect: Dialect,
        borrower: Borrower = dict,
        **more: Any,
    ) -> None:
        super().__init__(creator, dialect=dialect, **more)
        self.pool_size, self.max_overflow, self.max_waiting = pool_size, max_overflow, max_waiting
        self.timeout, self.recycle, self.pre_ping = timeout, recycle, pre_ping
        self.ping_after, self.leak_after = ping_after, leak_after
        self.dialect, self.borrower = dialect, borrower
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        # Guards the next two, and that nothing is cut that was just returned. Nothing slow happens under it.
        # Reentrant: the garbage collector may return a forgotten connection at any time.
        self._lock = threading.RLock()
        self._idle: deque[ConnectionPoolEntry] = deque()
        self._loans: set[Loan] = set()
        self._gate = Gate(self.pool_size + self.max_overflow, self.max_waiting)
        self._disposed = False
        self._next_tidy = 0.0
        self._doomed_before = 0.0
        self.stats = Stats()
        self.breaker = Breaker()

    # ---- borrowing ----

    def connect(self) -> PoolProxiedConnection:
        """Return a connection, or raise PoolExhaustedError, DatabaseDownError or the driver's error."""
        watch_over(self)
        due = deadline.current()
        self.breaker.admit(due)
        loan = Loan(self.stats, monotonic(), due, fresh=_thread.__dict__.pop("fresh", False))
        if self.leak_after:
            loan.remember(self.borrower())
        outer, _thread.borrowing = current(), (self, loan)
        with self._lock:
            self._loans.add(loan)
        try:
            proxy = super().connect()
        except BaseException as error:
            self._end(loan)
            if loan.overdue:
                raise DatabaseDownError("no connection could be made within the deadline") from error
            raise
        finally:
            _thread.borrowing = outer
        self._grant(loan, proxy)
        return proxy

    @contextmanager
    def watching(self, loan: Loan) -> Iterator[Loan]:
        """Have the watchdog end what is begun for this loan and is overdue; it never becomes a borrowing."""
        with self._lock:
            self._loans.add(loan)
        try:
            yield loan
        finally:
            self._end(loan)

    def _grant(self, loan: Loan, proxy: PoolProxiedConnection) -> None:
        link: Link = proxy.info["link"]
        link.loan = loan
        # With a callback, so that it is dead by the time a finalizer looks at it.
        loan.proxy = ref(proxy, lambda _: None)
        loan.granted, loan.call_began = monotonic(), None
        self.stats.note_borrowed(loan.granted - loan.asked - loan.opening)

    def _do_get(self) -> ConnectionPoolEntry:
        _, loan = _thread.borrowing
        self._gate.enter(deadline.seconds_for(self.timeout))
        try:
            return self._fit_record(loan) or self._create_connection()
        except BaseException:
            self._gate.leave()
            raise

    def _fit_record(self, loan: Loan) -> ConnectionPoolEntry | None:
        """Return the connection that was used last and is still good; close those that are not."""
        while record := self._pop_idle():
            try:
                reason = "replaced" if loan.fresh else self._why_unfit(record, loan)
            except BaseException:
                self._close(record, "error")
                raise
            if reason is None:
                return record
            self._close(record, reason)
            if loan.fresh:
                break
        return None

    def _pop_idle(self) -> ConnectionPoolEntry | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _why_unfit(self, record: ConnectionPoolEntry, loan: Loan) -> CloseReason | None:
        link: Link = record.info["link"]
        connection, now = record.dbapi_connection, monotonic()
        if connection is None or (reason := self._why_over(link, now)):
            return reason if connection else "error"
        loan.wire = link.wire
        if not self.pre_ping:
            return None
        loan.call_began = now  # a ping is watched like a statement
        good = not freshness.is_stale(link) and freshness.answers(link, connection, self.dialect, self.ping_after, now)
        return None if good else "stale"

    def _why_over(self, link: Link, now: float) -> CloseReason | None:
        if now >= link.expires:
            return "expired"
        return "doomed" if link.opened < self._doomed_before else None

    # ---- returning ----

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        try:
            self._take_back(record)
        finally:
            self._gate.leave()

    def _take_back(self, record: ConnectionPoolEntry) -> None:
        link: Link | None = record.info.get("link")
        if link is None or link.loan is None:
            return  # it never got as far as a loan, and is closed
        loan, link.loan, link.used = link.loan, None, monotonic()
        self._end(loan)
        if record.dbapi_connection is None:  # closed after an error, or taken out of the pool
            link.end("detached")
            return
        reason = self._why_not_kept(link, loan)
        if reason is None:
            with self._lock:
                if len(self._idle) < self.pool_size:
                    self._idle.append(record)
                    return
        self._close(record, reason or "surplus")

    def _why_not_kept(self, link: Link, loan: Loan) -> CloseReason | None:
        if loan.was_dropped:
            self.stats.note_leaked()
            leaks.report_dropped(loan)
            return "dropped"
        if loan.overdue:
            return "overdue"
        if self._disposed:
            return "disposed"
        return "changed" if loan.changed else self._why_over(link, link.used)

    def _end(self, loan: Loan) -> None:
        now = monotonic()
        with self._lock:  # from here on the watchdog leaves its wire alone
            self._loans.discard(loan)
        if loan.granted is not None:
            self.stats.note_returned(now - loan.granted)
        elif loan.wire:
            loan.wire.close()  # nobody else knows of a connection that was only begun
        leaks.report_return(loan, now)

    # ---- closing ----

    def _close(self, record: ConnectionPoolEntry, reason: CloseReason) -> None:
        """Close with a goodbye: the server counts a connection that just vanishes among its Aborted_clients."""
        link: Link = record.info["link"]
        link.end(reason)
        record.close()

    def doom(self) -> None:
        """Give no connection out again that was opened before now."""
        self._doomed_before = monotonic()

    def dispose(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._disposed = True
        self.breaker.retire()
        while record := self._pop_idle():
            self._close(record, "disposed")

    def recreate(self) -> Self:
        """Return a new pool with the same settings and listeners."""
        return self.__class__(
            self._creator,
            pool_size=self.pool_size,
            max_overflow=self.max_overflow,
            timeout=self.timeout,
            recycle=self.recycle,
            pre_ping=self.pre_ping,
            max_waiting=self.max_waiting,
            ping_after=self.ping_after,
            leak_after=self.leak_after,
            dialect=self.dialect,
            borrower=self.borrower,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
        )

    # ---- looking after ----

    def patrol(self, now: float) -> None:
        """Cut what is overdue, tell of leaks and, once a second, let connections go that are not needed."""
        with self._lock:
            loans = list(self._loans)
        for loan in loans:
            if loan.is_due(now):
                self._cut(loan)
            if self.leak_after:
                leaks.report(loan, now, self.leak_after)
        if now >= self._next_tidy:
            self._next_tidy = now + TIDY_EVERY_SECONDS
            self._tidy(now)

    def _cut(self, loan: Loan) -> None:
        """Cut it now, and again as long as it lasts: a thread that overslept may begin something only now."""
        with self._lock:
            if loan not in self._loans:
                return
            if loan.wire:
                loan.wire.cut()
            silent = loan.wire is not None and loan.call_began is not None and not loan.overdue
            loan.overdue = True
        if silent:
            self.breaker.suspect("a call was cut at its deadline")

    def _tidy(self, now: float) -> None:
        for record, reason in self._take_unneeded(now):
            self._close(record, reason)

    def _take_unneeded(self, now: float) -> list[tuple[ConnectionPoolEntry, CloseReason]]:
        taken: list[tuple[ConnectionPoolEntry, CloseReason]] = []
        with self._lock:
            kept: deque[ConnectionPoolEntry] = deque()
            for record in reversed(self._idle):  # the one used last comes first
                link: Link = record.info["link"]
                reason = self._why_over(link, now) or ("stale" if freshness.is_stale(link) else None)
                if reason is None and kept and now - link.used > freshness.IDLE_SECONDS:
                    reason = "idle"
                if reason is None:
                    kept.appendleft(record)
                else:
                    taken.append((record, reason))
            self._idle = kept
        return taken

    # ---- telling ----

    def snapshot(self) -> dict[str, Any]:
        """Return gauges, counters and histograms; docs/pool.md says how to read them."""
        gauges = {
            "size": self._gate.permits,
            "in_use": self._gate.in_use,
            "idle": len(self._idle),
            "waiting": self._gate.waiting,
            "breaker": self.breaker.state,
        }
        counters = {"refused": self._gate.refused, "timed_out": self._gate.timed_out, "probes": self.breaker.probes}
        return gauges | counters | self.stats.snapshot(monotonic())

    def size(self) -> int:
        """Return how many connections are kept."""
        return self.pool_size

    def checkedin(self) -> int:
        """Return how many are idle."""
        return len(self._idle)

    def checkedout(self) -> int:
        """Return how many are lent, or being made."""
        return self._gate.in_use

    def overflow(self) -> int:
        """Return how many more are open than are kept, below zero if fewer."""
        return self.checkedin() + self.checkedout() - self.pool_size

    def status(self) -> str:
        """Return the gauges in words."""
        gate = self._gate
        return f"{gate.in_use} of {gate.permits} in use, {self.checkedin()} idle, {gate.waiting} waiting"

    def forget_parent(self) -> None:
        """Begin anew in a child process: two processes on one connection would read each other's answers."""
        _inherited.extend(self._idle)
        self._begin()


def _after_fork() -> None:
    for pool in list(_pools):
        pool.forget_parent()


os.register_at_fork(after_in_child=_after_fork)
