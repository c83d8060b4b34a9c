"""The pool: SQLAlchemy's, with a fair queue, connections validated before use, and every use watched.

A subclass of `sqlalchemy.Pool`. QueuePool is one as well, but cannot be told to wake the next one when a connect fails,
to limit how many wait, or to let idle connections go (docs/decisions/0007).
"""

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Self, TypeVar
from weakref import ref

from sqlalchemy import Pool, PoolProxiedConnection, exc
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool.base import ResetStyle, _ConnectionFairy

from steadypool.core import deadline, leaks
from steadypool.core.breaker import Breaker
from steadypool.core.classify import TABLE, Kind, Phase, Verdict, classify
from steadypool.core.connection import Hand, Use, stack_of
from steadypool.core.deadline import CURRENT
from steadypool.core.errors import (
    DatabaseDownError,
    DatabaseMisconfiguredError,
    PoolExhaustedError,
    QueueFullError,
)
from steadypool.core.housekeeping import watch_over
from steadypool.core.policy import PoolPolicy
from steadypool.core.slots import Slots
from steadypool.core.stats import CloseReason, Stats
from steadypool.drivers import Driver
from steadypool.entry import Entry
from steadypool.errors import PUBLIC
from steadypool.forking import begin_anew_after_fork, disown
from steadypool.recovery import is_of, kind_of

T = TypeVar("T")
Borrower = Callable[[], Mapping[str, object]]

TIDY_EVERY_SECONDS = 1.0
NOTHING = id
"""What is called, in C and to no effect, when a proxy dies: without, a reference lives on while finalizers run."""

log = logging.getLogger(__name__)


class SteadyPool(Pool):
    """Keeps at most `pool_size` connections and lends at most `max_overflow` more, -1 for any number.

    What QueuePool takes it takes as well, by the same names and with the same meaning. `timeout` bounds the wait for a
    permit (None for no end) and `recycle` a connection's life (seconds, -1 for no end); `pre_ping` has an idle one
    tested. The rest is in the policy. `borrower` says for whom a connection is acquired.
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
        borrower: Borrower = dict,
        **more: Any,
    ) -> None:
        super().__init__(creator, **more)
        self.pool_size, self.max_overflow, self.use_lifo = pool_size, max_overflow, use_lifo
        self.recycle, self.pre_ping = recycle if recycle >= 0 else inf, pre_ping
        self.policy = policy or PoolPolicy()
        self._ping_after = self.policy.ping_after_seconds if pre_ping else None
        self.longest_call_seconds = self.policy.longest_call_seconds
        self._resets = self._reset_on_return is not ResetStyle.reset_none
        self._is_bare = driver is None
        """Whether nobody watches its statements: it was not made by `create_pool_engine`."""
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
        self._forsaken: set[Use] = set()
        self._next_tidy = 0.0
        self._first = threading.RLock()
        self._is_watched = self._is_disposed = False

    @property
    def dialect(self) -> Any:
        """SQLAlchemy's word for the database and the driver; an engine that is given a pool brings its own."""
        return self._dialect

    # ---- acquire ----

    def connect(self, *, fresh: bool = False) -> PoolProxiedConnection:
        """Return a connection, one that is made now if it is to be fresh.

        Raises PoolExhaustedError, DatabaseDownError or the driver's error.
        """
        hand = Hand()
        use = Use(monotonic(), CURRENT.get(), hand)
        try:
            entry = self._acquire(use, fresh=fresh)
            # As SQLAlchemy's `_ConnectionRecord.checkout` does, which asks the pool for any.
            proxy = _ConnectionFairy(self, entry.dbapi_connection, entry, self._should_log_debug())
            use.proxy = entry.fairy_ref = ref(proxy, NOTHING)
            proxy = _ConnectionFairy._checkout(self, fairy=proxy)
            self._grant(use, entry)
        except BaseException as error:
            self._give_up(use, error)
            raise
        use.changed = not self._resets
        if self.policy.leak_seconds:
            use.borrower, use.borrowed_at = self.borrower(), stack_of(sys._getframe(1))
        return proxy

    def lend(self, work: Callable[[Any], T]) -> T:
        """Return what the work makes of a driver's connection, which it must leave as it was.

        Whoever cannot forget the connection needs no proxy to bring it back: a third of the price of `connect`.
        """
        hand = Hand()
        use = Use(monotonic(), CURRENT.get(), hand)
        try:
            entry = self._acquire(use)
            self._grant(use, entry)
        except BaseException as error:
            self._give_up(use, error)
            raise
        try:
            use.borrower, use.call_began = self.borrower(), monotonic()
            result = work(entry.dbapi_connection)
            use.end_call()
            use.changed = False  # trusted only now: whatever comes in between may leave an answer unread
            return result
        except BaseException as error:
            use.end_call()
            self._heed(error, use, entry)
            raise
        finally:
            self._do_return_conn(entry)

    def _heed(self, error: BaseException, use: Use, entry: Entry) -> None:
        """Learn from what ended the use of a driver's connection; raise DeadlineExceededError where time ran out."""
        knows = hasattr(self.dialect, "is_disconnect") and is_of(self.dialect, error)
        is_dead = knows and self.dialect.is_disconnect(error, entry.dbapi_connection, None)
        verdict = self.judge(error, use, "statement", is_dead=is_dead)
        if verdict.closes:
            self._close(entry, "overdue" if use.overdue else "error")
        else:
            use.changed = False
        if verdict.raises:
            raise PUBLIC[verdict.raises](f"a statement ran out of time: {error}") from error

    def judge(self, error: BaseException, use: Use, phase: Phase, *, is_dead: bool, in_flight: bool = True) -> Verdict:
        """Return what is to become of a connection on which this happened; count it, and condemn the others with it.

        `is_dead` is what SQLAlchemy, or a listener, thinks of it; `in_flight` tells whether something was sent.
        """
        foreign = in_flight and not is_of(self.dialect, error)
        kind = Kind.FOREIGN if foreign else kind_of(error, self.dialect)
        if is_dead and not TABLE[kind].closes:
            kind = Kind.CONNECTION_DEAD
        verdict = classify(kind, phase, overdue=isinstance(error, Exception) and use.is_over(monotonic()))
        if verdict.condemns:
            self.slots.condemn()
        if verdict.counts:
            self.stats.note(verdict.counts)
        return verdict

    def _acquire(self, use: Use, *, fresh: bool = False) -> Entry:
        """Return a connection that is good and nobody else's."""
        use.fresh = fresh
        if not self._is_watched:
            self._wake()
        if self.breaker.silent or not self.slots.idle:
            self.breaker.admit(use.deadline)
        entry = self.slots.take(use, self._timeout)
        while True:
            if entry.state != "in use":
                try:
                    self._open(entry)
                    return entry
                except Exception as error:
                    if not self.is_at_limit(error):
                        raise
                    entry = self._wait_for_return(use, entry, error)
            elif (reason := "replaced" if use.fresh else entry.why_unfit(use, self._ping_after)) is None:
                return entry
            else:
                self._close(entry, reason)
                entry = self.slots.exchange(entry, use)

    def _wake(self) -> None:
        """Begin: at the first use, in a process of its own, and where a pool that was disposed of is used again."""
        watch_over(self)
        self.breaker.resume()
        self.slots.open_again()
        self._is_watched = True

    def _grant(self, use: Use, entry: Entry) -> None:
        if entry.stats is not self.stats:
            disown([entry], self.driver)
            entry.dbapi_connection = None  # so that whoever drops the proxy says nothing on it
            raise DatabaseDownError(
                "the process was forked in the middle of borrowing; this is its parent's connection"
            )
        use.call_began, use.granted = None, monotonic()
        entry.uses += 1
        if use.deadline is not None:
            use.charge_wait(use.granted)

    def _give_up(self, use: Use, error: BaseException) -> None:
        """Give back what was acquired by halves, and raise the error as what it is to the world, if it is another."""
        self._settle(use, "error")
        if use.deadline is not None:
            use.charge_wait(monotonic())
        down: str | None = None
        if isinstance(error, PoolExhaustedError):
            if self.breaker.state == "open":  # those in front wait for the database
                down = f"no connection could be made; {error}"
            else:
                self.stats.note("refused" if isinstance(error, QueueFullError) else "timed_out")
        elif isinstance(error, DatabaseDownError | DatabaseMisconfiguredError):
            self.stats.note("turned_away")
        elif isinstance(error, Exception) and use.is_over(monotonic()):
            down = "no connection could be made within the deadline"
        if down is not None:
            self.stats.note("turned_away")
            raise PUBLIC[DatabaseDownError](down) from error
        if type(error) in PUBLIC:
            raise PUBLIC[type(error)](str(error)) from error.__cause__

    # ---- connecting ----

    def _open(self, entry: Entry) -> None:
        if self.stats.opened:
            entry.get_connection()
        else:
            self._open_first(entry)
        if self.slots.limit < self.slots.permits and self.slots.grow_to(self.slots.alive()):
            log.warning("the server has room for all %d connections again", self.slots.permits)

    def _open_first(self, entry: Entry) -> None:
        # SQLAlchemy gets to know the server with the first connection, under a lock for which others would wait as long
        # as that takes.
        try:
            if not self._first.acquire(timeout=deadline.seconds_for(threading.TIMEOUT_MAX)):
                raise DatabaseDownError("the first connection was not made within the deadline")
            if not self.stats.opened:
                entry.get_connection()
                return
        except (NotImplementedError, exc.InvalidRequestError) as error:  # what it raises if that connection is lost
            if getattr(self.dialect, "dbapi", None) is None:
                raise
            raise self.dialect.dbapi.OperationalError("the first connection was lost") from error
        finally:
            with suppress(RuntimeError):  # it is another thread's
                self._first.release()
        entry.get_connection()

    def is_at_limit(self, error: BaseException) -> bool:
        """Tell whether the server has no room for more connections than this pool's: it can do with those."""
        return TABLE[kind_of(error, self.dialect)].connect == "wait" and self.slots.alive() > 0

    def _wait_for_return(self, use: Use, entry: Entry, error: Exception) -> Entry:
        """Let no more in than there are connections, and wait for one of them, before all others."""
        alive, most = max(1, self.slots.alive()), self.slots.permits
        if self.slots.keep_to(alive):
            log.warning("the server has no room for more; %d of %d connections have to do: %s", alive, most, error)
        use.fresh = False  # each new one would cost a good one its place
        use.call_began = None
        entry.end("error")
        self.slots.give_up_turn(entry)
        left = None if self._timeout is None else self._timeout - (monotonic() - use.asked)
        return self.slots.take(use, left, first=True)

    # ---- release ----

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        entry: Any = record
        use: Use | None = entry.use
        if entry.stats is not self.stats:
            disown([entry], self.driver)  # lent before the fork
            return
        if use is None:
            return  # it could not be made, or was taken back before
        try:
            now = monotonic()
            reason = self._why_not_kept(entry, use, now)
            if reason or not self.slots.give_back(entry, now):
                self._close(entry, reason or ("overdue" if use.overdue else "surplus"))
                self.slots.leave(entry, use, in_hand=False)
            if use.reported:
                leaks.report_return(use, now)
        except BaseException:
            self._settle(use, "error")
            raise

    def _why_not_kept(self, entry: Entry, use: Use, now: float) -> CloseReason | None:
        if entry.dbapi_connection is None:
            return "detached"  # unless it was closed after an error, and counted then
        if use.granted is None:
            return "error"
        if use.proxy is not None and use.proxy() is None:  # nobody returned it; the garbage collector found it
            self._note_dropped(use)
            if not self._resets:
                return "dropped"  # whatever was done with it
        if use.overdue:
            return "overdue"
        if use.unfinished:
            return "error"
        if use.changed and not self._is_reset_by_others(use):
            return "changed"
        if use.proxy is not None and self.driver.is_in_transaction(entry.dbapi_connection):
            return "changed"  # by a cursor of the driver's, past SQLAlchemy: the next COMMIT would keep it
        return entry.condemned or ("expired" if now >= entry.expires else None)

    def _is_reset_by_others(self, use: Use) -> bool:
        """Tell whether a listener resets what is returned, as SQLAlchemy's documents have it with reset_on_return=None.

        Not with an engine of ours, where each session that was changed is closed, whoever listens to its return.
        """
        return self._is_bare and use.proxy is not None and bool(self.dispatch.reset)

    def _note_dropped(self, use: Use) -> None:
        self.stats.note("leaked")
        leaks.report_dropped(use)

    def _settle(self, use: Use, reason: CloseReason) -> bool:
        """Close what a use still has and give its permit to others; to do so twice, or too late, does no harm.

        Tell whether it had a connection.
        """
        entry = self.slots.claim(use)
        if entry is None:
            return False
        is_one = entry.state != "connecting"
        self._close(entry, reason)
        self.slots.leave(entry, use, in_hand=use.proxy is not None)
        return is_one

    # ---- closing ----

    def _close(self, entry: Entry, reason: CloseReason) -> None:
        """Close with a goodbye: the server counts a connection that just vanishes among its Aborted_clients."""
        entry.end(reason)
        try:
            entry.close()
        except Exception:  # not the driver's, which SQLAlchemy logs
            log.exception("a listener failed while a connection was being closed")

    def _invalidate(
        self, connection: PoolProxiedConnection, exception: BaseException | None = None, _checkin: bool = True
    ) -> None:
        """Have no connection used again that is as old as this one: a listener, or SQLAlchemy, says so."""
        before = self._invalidate_time
        super()._invalidate(connection, exception, _checkin)
        if self._invalidate_time != before:
            self.slots.condemn()

    def dispose(self) -> None:
        """Close what is idle; what is lent is closed when it comes back. Whoever uses it again finds it empty."""
        self._is_disposed = True
        self.breaker.retire()
        self.slots.condemn("disposed")
        try:
            for entry in self.slots.close():
                self._close(entry, "disposed")
        finally:
            self._is_watched = False

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
            dialect=self._dialect,
            borrower=self.borrower,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
        )
        new._is_bare = self._is_bare
        new._begin(self.stats)
        new.breaker.probes = self.breaker.probes
        return new

    def forget_parent(self) -> None:
        """Begin anew in a child process: two processes on one connection would read each other's answers."""
        left = self.slots.left_behind()
        self._begin(Stats())
        disown(left, self.driver)

    # ---- looking after ----

    def patrol(self, now: float) -> None:
        """Cut what is overdue, tell of leaks and, once a second, let connections go that are not needed."""
        self.breaker.end_overdue(now)
        if self.slots.cut_overdue(now, self.longest_call_seconds):
            self.breaker.suspect("a call was cut at its deadline")
        for use in self.slots.write_off(now):
            leaks.report_written_off(use)
        self.slots.count()
        if self.policy.leak_seconds:
            self._report_leaks(now)
        if now >= self._next_tidy:
            self._next_tidy = now + TIDY_EVERY_SECONDS
            # Of a pool that was disposed of nobody may know any more: it keeps not even the last one for good.
            for entry, reason in self.slots.evict(lambda idle, more: idle.why_unneeded(now, more or self._is_disposed)):
                self._close(entry, reason)
                self.slots.put_aside(entry)
            self._take_back_forsaken()

    def _report_leaks(self, now: float) -> None:
        """Tell of uses that have lasted for too long, and take back what nobody has any more."""
        reported = [leaks.report(use, now, self.policy.leak_seconds) for use in self.slots.uses()]
        if any(reported):
            leaks.look_for_circles()

    def _take_back_forsaken(self) -> None:
        """Settle what nobody can release any more; two looks apart, for the garbage collector may just do it."""
        uses = {use for use in self.slots.uses() if use.is_forsaken}
        for use in uses & self._forsaken:
            if self._settle(use, "dropped"):
                self._note_dropped(use)
        self._forsaken = uses
        self.slots.serve()

    # ---- telling ----

    def snapshot(self) -> dict[str, Any]:
        """Return gauges, counters and histograms; docs/pool.md says how to read them."""
        breaker = {"breaker": self.breaker.state, "probes": self.breaker.probes}
        return breaker | self.slots.snapshot(monotonic())

    def connections(self) -> list[dict[str, Any]]:
        """Return what can be told of each connection: idle, in use (for whom, how long) or being made."""
        now = monotonic()
        return [seen for entry in self.slots.all() if (seen := entry.seen(now))]

    def size(self) -> int:
        """Return how many connections are kept."""
        return self.pool_size

    def timeout(self) -> float | None:
        """Return how long one waits for a connection, in seconds; None means for ever."""
        return self._timeout

    def checkedin(self) -> int:
        """Return how many are idle."""
        return len(self.slots.idle)

    def checkedout(self) -> int:
        """Return how many are in use, or being made."""
        return self.slots.in_use

    def overflow(self) -> int:
        """Return how many more there are than are kept; below 0, how many are missing to that; 0 if all are."""
        return self.checkedin() + self.checkedout() - self.pool_size if self.pool_size else 0

    def status(self) -> str:
        """Return the gauges in words."""
        slots = self.slots
        return f"{slots.in_use} of {slots.permits} in use, {self.checkedin()} idle, {slots.waiting} waiting"
