"""The pool: SQLAlchemy's, with admission in order, connections tested before use, and every loan watched.

A subclass of `sqlalchemy.Pool` in the way of SQLAlchemy's own: it hands out a record (`_do_get`) and takes it back
(`_do_return_conn`). QueuePool does so too, but cannot be told to wake the next one when a connect fails, to limit how
many wait, or to let idle connections go (docs/decisions/0007).
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Self, TypeVar, cast
from weakref import ref

from sqlalchemy import Connection, Pool, PoolProxiedConnection, exc
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool.base import ResetStyle

from steadypool import freshness
from steadypool.core import deadline, leaks
from steadypool.core.admission import Gate
from steadypool.core.breaker import Breaker
from steadypool.core.errors import (
    DatabaseDownError,
    DatabaseMisconfiguredError,
    PoolError,
    PoolExhaustedError,
    QueueFullError,
)
from steadypool.core.housekeeping import watch_over
from steadypool.core.idle import IdleStack
from steadypool.core.loan import Hand, Link, Loan
from steadypool.core.loans import Loans
from steadypool.core.policy import PoolPolicy
from steadypool.core.stats import CloseReason, Stats
from steadypool.core.wire import Record
from steadypool.drivers import Driver
from steadypool.errors import PUBLIC, DeadlineExceededError
from steadypool.forking import begin_anew_after_fork, disown
from steadypool.freshness import Freshness
from steadypool.recovery import CONCERNS_ALL, Verdict, is_full, is_lost, judge, ran_out_of_time

T = TypeVar("T")
Lent = TypeVar("Lent", PoolProxiedConnection, ConnectionPoolEntry)
Borrower = Callable[[], Mapping[str, object]]

TIDY_EVERY_SECONDS = 1.0
CORE_CONNECTS = Connection.__init__.__code__
"""Who asks `Engine.raw_connection`, which asks us, unless somebody wants a raw connection."""

log = logging.getLogger(__name__)

_thread = threading.local()
"""`borrowing`: the pool and loan this thread is busy with; `fresh`: its next loan is to be a new connection."""


def current() -> "tuple[SteadyPool | None, Loan | None]":
    """Return the pool and the loan for which this thread is just getting a connection, if it is."""
    pool, loan = getattr(_thread, "borrowing", (None, None))
    # An exception from outside may have kept it from being forgotten.
    return (None, None) if loan is None or loan.ended or loan.granted is not None else (pool, loan)


@contextmanager
def borrowing(pool: "SteadyPool", loan: Loan) -> Iterator[None]:
    """Have this thread be busy with a loan that the pool does not know of: a probe."""
    outer, _thread.borrowing = current(), (pool, loan)
    try:
        yield
    finally:
        _thread.borrowing = outer


def want_fresh() -> None:
    """Make this thread's next loan a connection that is made then."""
    _thread.fresh = True


class SteadyPool(Pool):
    """Keeps at most `pool_size` connections and lends at most `max_overflow` more, -1 for any number.

    What QueuePool takes it takes as well, by the same names and with the same meaning. `timeout` bounds the wait for a
    permit and `recycle` a connection's life (seconds, -1 for no end); `pre_ping` has an idle one tested. The rest is in
    the policy. `borrower` says for whom a connection is borrowed.
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
        self.pool_size, self.max_overflow, self.use_lifo = pool_size, max_overflow, use_lifo
        self.recycle, self.pre_ping = recycle if recycle >= 0 else inf, pre_ping
        self.policy = policy or PoolPolicy()
        self.longest_call_seconds = self.policy.longest_call_seconds
        self.dialect: Any = self._dialect
        self._resets_nothing = self._reset_on_return is ResetStyle.reset_none
        self.driver, self.borrower, self._timeout = driver or Driver(self.policy, "writer"), borrower, timeout
        self._begin()
        begin_anew_after_fork(self)

    def _begin(self) -> None:
        kept = 0 if self.policy.strategy == "request" else self.pool_size or sys.maxsize
        unlimited = self.max_overflow < 0 or kept == sys.maxsize
        self._gate = Gate(sys.maxsize if unlimited else kept + self.max_overflow, self.policy.max_waiting)
        self._idle = IdleStack(kept, lifo=self.use_lifo)
        self.loans = Loans()
        self._forsaken: set[Loan] = set()
        self.freshness = Freshness(self.dialect, pre_ping=self.pre_ping, ping_after=self.policy.ping_after_seconds)
        self._next_tidy = 0.0
        self._first = threading.RLock()
        self.stats = Stats()
        self.breaker = Breaker()

    # ---- borrowing ----

    def connect(self) -> PoolProxiedConnection:
        """Return a connection, or raise PoolExhaustedError, DatabaseDownError or the driver's error."""
        hand = Hand()
        loan, proxy = self._obtain(super().connect, hand)
        # With a callback, so that it is dead by the time a finalizer looks at it.
        loan.proxy = ref(proxy, lambda _: None)
        # SQLAlchemy's Connection shows each of its statements. An event would say who asks, for ten times as much.
        # Nor does it matter where a ROLLBACK puts everything back, as QueuePool has it.
        loan.changed = self._resets_nothing and sys._getframe(2).f_code is not CORE_CONNECTS
        if self.policy.leak_seconds:
            loan.remember(self.borrower())
        return proxy

    def lend(self, use: Callable[[Any], T]) -> T:
        """Return what `use` makes of a driver's connection, which it must leave as it was.

        Whoever cannot forget the connection needs no proxy to bring it back: a third of the price of `connect`.
        """
        hand = Hand()
        loan, record = self._obtain(self._do_get, hand)
        try:
            loan.borrower, loan.call_began = self.borrower(), monotonic()
            result = use(record.dbapi_connection)
            loan.end_call()
            loan.changed = False  # trusted only now: whatever comes in between may leave an answer unread
            return result
        except BaseException as error:
            loan.end_call()
            self._heed(error, loan, record)
            raise
        finally:
            self._do_return_conn(record)

    def _heed(self, error: BaseException, loan: Loan, record: ConnectionPoolEntry) -> None:
        """Learn from what ended the use of a driver's connection; raise DeadlineExceededError where time ran out."""
        verdict = judge(error, self.dialect)
        if verdict in CONCERNS_ALL:
            self.freshness.doom()
        if verdict is Verdict.TRY_AGAIN:
            self.stats.note("conflicts")
        if is_lost(error, record.dbapi_connection, self.dialect):
            self._close(record, "overdue" if loan.overdue else "error")
        else:
            loan.changed = False
        if isinstance(error, Exception) and ran_out_of_time(verdict, loan.overdue):
            self.stats.note("overran")
            raise DeadlineExceededError(f"a statement ran out of time: {error}") from error

    def _obtain(self, get: Callable[[], Lent], hand: Hand) -> tuple[Loan, Lent]:
        """Return what `get` brings, a proxy or a record, and the loan that is granted for it."""
        watch_over(self)
        due, fresh = deadline.current(), _thread.__dict__.pop("fresh", False)
        loan = Loan(self.stats, monotonic(), due, fresh, ref(hand))
        outer = current()
        try:
            _thread.borrowing = (self, loan)
            self.loans.begin(loan)
            if self.breaker.silent or not self._idle:
                self.breaker.admit(due)
            lent = get()
            self._grant(loan, lent.info["link"])
        except BaseException as error:
            self._give_up(loan, error)
            if type(error) in PUBLIC:
                raise PUBLIC[type(error)](str(error)) from error.__cause__
            raise
        finally:
            _thread.borrowing = outer
        return loan, lent

    def _give_up(self, loan: Loan, error: BaseException) -> None:
        """Note that a loan is not granted; raise DatabaseDownError where it was cut at its deadline."""
        self._settle(loan, "error")
        loan.charge_wait(monotonic())
        was_cut = loan.overdue and isinstance(error, Exception) and not isinstance(error, PoolError)
        if was_cut or isinstance(error, DatabaseDownError | DatabaseMisconfiguredError):
            self.stats.note("turned_away")
        if was_cut:
            raise PUBLIC[DatabaseDownError]("no connection could be made within the deadline") from error

    def _grant(self, loan: Loan, link: Link) -> None:
        if link.stats is not self.stats and loan.record is not None:
            parents: Any = loan.record
            disown([parents], self.driver)
            parents.dbapi_connection = None  # so that whoever drops the proxy says nothing on it
            raise DatabaseDownError(
                "the process was forked in the middle of borrowing; this is its parent's connection"
            )
        loan.granted, loan.call_began = monotonic(), None
        loan.link = link
        link.uses += 1
        loan.charge_wait(loan.granted)
        self.stats.note_borrowed(loan.granted - loan.asked - loan.opening)

    def _do_get(self) -> ConnectionPoolEntry:
        _, loan = _thread.borrowing
        self._enter(loan, self._timeout)
        while (record := self._fit_record(loan)) is None:
            try:
                return self._new_record()
            except Exception as error:
                if not self.is_at_limit(error):
                    raise
                self._wait_for_return(loan, error)
        return record

    def _enter(self, loan: Loan, seconds: float, *, first: bool = False) -> None:
        try:
            self._gate.enter(loan, deadline.seconds_for(seconds), first=first)
        except PoolExhaustedError as error:
            if self.breaker.state == "open":  # those in front wait for the database
                raise DatabaseDownError(f"no connection could be made; {error}") from error
            self.stats.note("refused" if isinstance(error, QueueFullError) else "timed_out")
            raise

    def is_at_limit(self, error: BaseException) -> bool:
        """Tell whether the server has no room for more connections than this pool's: it can do with those."""
        return is_full(error, self.dialect) and self._alive() > 0

    def _alive(self) -> int:
        """Return how many connections are lent or idle."""
        loans = [*self.loans.open(), *self._gate.holders()]
        return self._idle.count_with(loans) or self._idle.count_with(self._gate.holders())  # one may just change hands

    def _wait_for_return(self, loan: Loan, error: Exception) -> None:
        """Let no more in than there are connections, and wait for one of them, before all others."""
        alive, most = max(1, self._alive()), self._gate.permits
        if self._gate.keep_to(alive):
            log.warning("the server has no room for more; %d of %d connections have to do: %s", alive, most, error)
        loan.fresh = False  # each new one would cost a good one its place
        loan.call_began = None
        if loan.wire:
            loan.wire.close()
            loan.wire = None
        self._gate.leave(loan)
        self._enter(loan, self._timeout - (monotonic() - loan.asked), first=True)

    def _new_record(self) -> ConnectionPoolEntry:
        record = self._create_first() if not self.stats.opened else self._create_connection()
        if "link" not in record.info:  # nobody watches an engine
            self.introduce(record, current()[1], None)
        if self._gate.limit < self._gate.permits and self._gate.grow_to(self._alive()):
            log.warning("the server has room for all %d connections again", self._gate.permits)
        return record

    def introduce(self, record: ConnectionPoolEntry, loan: Loan | None, wait_timeout: float | None) -> None:
        """Note what is to be known of a new connection, which the server keeps idle for so many seconds."""
        if loan is None:
            return
        now = monotonic()
        expires = now + freshness.lifetime(self.recycle, wait_timeout)
        link = Link(self.stats, loan.wire, opened=now, used=now, expires=expires, loan=loan)
        record.info["link"], loan.record = link, record
        self.stats.note_opened(now, loan.opening)

    def _create_first(self) -> ConnectionPoolEntry:
        # SQLAlchemy gets to know the server with the first connection, under a lock for which others would wait as long
        # as that takes.
        try:
            if not self._first.acquire(timeout=deadline.seconds_for(threading.TIMEOUT_MAX)):
                raise DatabaseDownError("the first connection was not made within the deadline")
            if not self.stats.opened:
                return self._create_connection()
        except (NotImplementedError, exc.InvalidRequestError) as error:  # what it raises if that connection is lost
            raise self.dialect.loaded_dbapi.OperationalError("the first connection was lost") from error
        finally:
            with suppress(RuntimeError):  # it is another thread's
                self._first.release()
        return self._create_connection()

    def _fit_record(self, loan: Loan) -> ConnectionPoolEntry | None:
        """Return the connection that was used last and is still good; close those that are not."""
        while record := self._idle.pop(loan):
            reason = "replaced" if loan.fresh else self.freshness.why_unfit(record, loan)
            if reason is None:
                return cast(ConnectionPoolEntry, record)
            self._close(record, reason)
            loan.wire = loan.record = None
            if loan.fresh:
                break
        return None

    # ---- returning ----

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        link: Link | None = record.info.get("link")
        if link is not None and link.stats is not self.stats:
            disown([record], self.driver)  # lent before the fork
            return
        loan = link.loan if link else None
        if link is None or loan is None:
            return  # it could not be made, or was taken back before
        try:
            self._take_back(record, link, loan)
            self._gate.leave(loan)
        except BaseException:
            self._settle(loan, "error")
            raise

    def _take_back(self, record: ConnectionPoolEntry, link: Link, loan: Loan) -> None:
        link.used = monotonic()
        self.loans.end(loan)
        reason = self._why_not_kept(record, link, loan)
        if reason or not self._idle.push(record):
            self._close(record, reason or "surplus")
            loan.record = None

    def _why_not_kept(self, record: ConnectionPoolEntry, link: Link, loan: Loan) -> CloseReason | None:
        if record.dbapi_connection is None:
            return "detached"  # unless it was closed after an error, and counted then
        if loan.granted is None:
            return "error"
        if loan.was_dropped:
            self._note_dropped(loan)
            return "dropped"
        if loan.overdue:
            return "overdue"
        if loan.unfinished:
            return "error"
        if loan.proxy is not None and self.driver.is_in_transaction(record.dbapi_connection):
            return "changed"  # by a cursor of the driver's, past SQLAlchemy: the next COMMIT would keep it
        return "changed" if loan.changed else self.freshness.why_over(record, link.used)

    def _note_dropped(self, loan: Loan) -> None:
        self.stats.note("leaked")
        leaks.report_dropped(loan)

    def _settle(self, loan: Loan, reason: CloseReason) -> bool:
        """Close what a loan still has and give its permit to others; to do so twice, or too late, does no harm.

        Tell whether it had a connection.
        """
        self.loans.end(loan)
        if record := self._idle.claim(loan):
            self._close(record, reason)
            loan.record = None
        self._gate.leave(loan)
        return record is not None

    # ---- closing ----

    def _close(self, record: Record, reason: CloseReason) -> None:
        """Close with a goodbye: the server counts a connection that just vanishes among its Aborted_clients."""
        link: Link = record.info["link"]
        link.end(reason)
        try:
            record.close()
        except Exception:  # not the driver's, which SQLAlchemy logs
            log.exception("a listener failed while a connection was being closed")

    def _invalidate(
        self, connection: PoolProxiedConnection, exception: BaseException | None = None, _checkin: bool = True
    ) -> None:
        """Have no connection used again that is as old as this one: a listener, or SQLAlchemy, says so."""
        before = self._invalidate_time
        super()._invalidate(connection, exception, _checkin)
        if self._invalidate_time != before:
            self.freshness.doom()

    def dispose(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self.breaker.retire()
        for record in self._idle.close():
            self._close(record, "disposed")

    def recreate(self) -> Self:
        """Return a new pool with the same settings and listeners, which goes on counting where this one is."""
        new = self.__class__(
            self._creator,
            pool_size=self.pool_size,
            max_overflow=self.max_overflow,
            timeout=self._timeout,
            use_lifo=self.use_lifo,
            recycle=-1 if self.recycle == inf else self.recycle,
            pre_ping=self.pre_ping,
            policy=self.policy,
            driver=self.driver,
            dialect=self.dialect,
            borrower=self.borrower,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
        )
        new.stats, new.breaker.probes = self.stats, self.breaker.probes
        return new

    # ---- looking after ----

    def patrol(self, now: float) -> None:
        """Cut what is overdue, tell of leaks and, once a second, let connections go that are not needed."""
        if self.loans.cut_overdue(now, self.longest_call_seconds):
            self.breaker.suspect("a call was cut at its deadline")
        for loan in self.loans.write_off(now):
            self._gate.leave(loan)
            leaks.report_written_off(loan)
        if self.policy.leak_seconds:
            self.loans.report_leaks(now, self.policy.leak_seconds)
        if now >= self._next_tidy:
            self._next_tidy = now + TIDY_EVERY_SECONDS
            for record, reason in self._idle.sort_out(partial(self.freshness.why_unneeded, now)):
                self._close(record, reason)
            self._take_back_forsaken()

    def _take_back_forsaken(self) -> None:
        """Settle what nobody can return any more; two looks apart, for the garbage collector may just do it."""
        loans = {loan for loan in (*self.loans.open(), *self._gate.holders()) if loan.is_forsaken}
        for loan in loans & self._forsaken:
            if self._settle(loan, "dropped"):
                self._note_dropped(loan)
        self._forsaken = loans
        self._gate.serve()

    def forget_parent(self) -> None:
        """Begin anew in a child process: two processes on one connection would read each other's answers."""
        held = [loan.record for loan in self.loans.left_behind() if loan.record is not None]
        idle = self._idle
        self._begin()
        disown([*idle.left_behind(), *held], self.driver)

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
        return gauges | {"probes": self.breaker.probes} | self.stats.snapshot(monotonic())

    def connections(self) -> list[dict[str, Any]]:
        """Return what can be told of each connection: idle, in use (for whom, how long) or being made."""
        now = monotonic()
        lent = [seen for loan in self.loans.open() if (seen := loan.seen(now))]
        links: list[Link | None] = [record.info.get("link") for record in self._idle.all()]
        return lent + [link.seen(now) for link in links if link and not link.closed]

    def size(self) -> int:
        """Return how many connections are kept."""
        return self.pool_size

    def timeout(self) -> float:
        """Return how long one waits for a connection, in seconds."""
        return self._timeout

    def checkedin(self) -> int:
        """Return how many are idle."""
        return len(self._idle)

    def checkedout(self) -> int:
        """Return how many are lent, or being made."""
        return self._gate.in_use

    def overflow(self) -> int:
        """Return how many more there are than are kept; below 0, how many are missing to that."""
        return self.checkedin() + self.checkedout() - self.pool_size

    def status(self) -> str:
        """Return the gauges in words."""
        gate = self._gate
        return f"{gate.in_use} of {gate.permits} in use, {self.checkedin()} idle, {gate.waiting} waiting"
