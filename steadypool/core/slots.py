"""Who may have a connection, and which: a fair semaphore and the stack of idle connections, under one lock."""

from collections import deque
from collections.abc import Callable, Iterator
from threading import TIMEOUT_MAX, Lock
from time import monotonic
from typing import Any, Generic, TypeVar

from steadypool.core.connection import Connection, Use
from steadypool.core.errors import PoolExhaustedError, QueueFullError
from steadypool.core.stats import CloseReason, Stats

C = TypeVar("C", bound=Connection)

GROW_AFTER_SECONDS = (0.05, 5.0)
"""How long after the server refused a connection the next is asked for, and the longest: it doubles. A place whose
connection has just been closed is often free a moment later; a server that is full stays so."""


class Slots(Generic[C]):
    """At most `permits` connections in use or being made, and at most `kept` idle ones.

    A plain semaphore lets newcomers overtake those who wait; here everybody joins the queue, and whoever gives a
    permit back serves its head. The one that was used last is the first to be used again (`lifo`), so that those which
    are not needed stay at the bottom. Nothing slow happens under the lock.

    Permits are not counted but held, each by a connection: an exception from outside may come between any two steps,
    and to give back twice, or what one never had, must do no harm. So each step puts in before it takes out. What is
    then in two places belongs to the use that `Connection.use` names.
    """

    def __init__(
        self,
        make: Callable[[], C],
        stats: Stats,
        *,
        permits: int,
        kept: int,
        most_waiting: int,
        lifo: bool = True,
    ) -> None:
        self.permits, self.most_waiting = permits, most_waiting
        self.limit = permits
        """As many as may be out: fewer where the server allows for fewer connections."""
        self.idle: dict[C, None] = {}  # in order; one may be taken out of the middle
        self._make, self._kept, self._next = make, kept, reversed if lifo else iter
        self._most_kept = kept
        self._spare: deque[C] = deque(maxlen=kept)
        """Closed ones in whose place others are made: SQLAlchemy's `record_info` is that of the place."""
        self._out: set[C] = set()
        self._written_off: set[C] = set()
        self._queue: dict[Use, Lock] = {}
        self._ended: list[Use] = []
        self._grow_at, self._pause = 0.0, GROW_AFTER_SECONDS[0]
        # Reentrant: the garbage collector may give back a forgotten connection in the middle of any line below.
        self._stats, self._lock = stats, stats.lock

    # ---- acquire ----

    def take(self, use: Use, seconds: float | None, *, first: bool = False) -> C:
        """Return an idle connection, or one that is still to be made; wait for it so many seconds, in the deadline.

        None means for ever. Raises PoolExhaustedError. Whoever is interrupted may hold one all the same, or stand in
        the queue, and has to `claim` it. `first` is for who has had a turn that came to nothing.
        """
        with self._lock:
            if not self._queue and len(self._out) - len(self._written_off) < self.limit:
                return self._give(use)
            turn = self._join(use, first=first)
        seconds = TIMEOUT_MAX if seconds is None else min(seconds, TIMEOUT_MAX)
        if use.deadline is not None:
            seconds = min(seconds, use.deadline.left)
        if not turn.acquire(timeout=max(0.0, seconds)):
            with self._lock:
                self._queue.pop(use, None)
        given: C | None = use.connection  # perhaps at the last moment
        if given is None or given.use is not use:
            raise PoolExhaustedError(
                f"all {self._all()} were in use for {seconds:.2f} s; see what holds them, or raise POOL_SIZE"
            )
        return given

    def exchange(self, connection: C, use: Use) -> C:
        """Return another one for one that was not fit, on the same permit."""
        with self._lock:
            connection.use = None
            self.put_aside(connection)
            given = self._give(use, fresh=use.fresh)
            if given is not connection:
                self._out.discard(connection)
            return given

    def _give(self, use: Use, *, fresh: bool = False) -> C:
        given = next(self._next(self.idle)) if self.idle and not fresh else self._another()
        use.connection, given.use = given, use
        self._out.add(given)
        if given.state == "idle":
            given.state = "in use"
        self.idle.pop(given, None)
        return given

    def _another(self) -> C:
        if not self._spare:
            return self._make()
        given = self._spare.pop()
        given.connecting()
        return given

    def _join(self, use: Use, *, first: bool) -> Lock:
        if not first and self.in_use >= self._limit_now() and len(self._queue) >= self.most_waiting:
            raise QueueFullError(
                f"all {self._all()} are in use and {len(self._queue)} threads wait already; "
                "see what holds them, or raise POOL_SIZE"
            )
        turn = Lock()
        turn.acquire()
        if first:
            self._queue = {use: turn} | self._queue
        else:
            self._queue[use] = turn
        self.serve()
        return turn

    def serve(self) -> None:
        """Let those in who may be let in by now."""
        with self._lock:
            while self._queue:
                use, turn = next(iter(self._queue.items()))
                if use.connection is None or use.connection.use is not use:
                    if self.in_use >= self._limit_now():
                        return
                    self._give(use)
                # The lock is only an alarm clock: an interruption must not lose who is served.
                self._queue.pop(use, None)
                turn.release()

    # ---- release ----

    def give_back(self, connection: C, now: float) -> bool:
        """Keep a good connection for the next and give its permit back; return False where it is to be closed."""
        with self._lock:
            use = connection.use
            if use is None or use.overdue or len(self.idle) >= self._kept:
                return False
            self.idle[connection] = None
            connection.state, connection.used, use.ended = "idle", now, now
            self._ended.append(use)
            self._out.discard(connection)
            if self._written_off:
                self._written_off.discard(connection)
            connection.use = None
            if self._queue:
                self.serve()
            return True

    def leave(self, connection: C, use: Use, *, in_hand: bool) -> None:
        """Give back the permit of one that is closed; to do so twice, or too late, does no harm.

        What somebody may still have in hand is not used again: whoever returns it then would return another's.
        """
        with self._lock:
            if use.ended is None:
                use.ended = monotonic()
                self._ended.append(use)
            if connection.use is use:
                self._out.discard(connection)
                self._written_off.discard(connection)
                connection.use = None
                if not in_hand:
                    self.put_aside(connection)
            self.serve()

    def give_up_turn(self, connection: C) -> None:
        """Give back the permit of one that could not be made, for a use that goes on."""
        with self._lock:
            connection.use = None
            self._out.discard(connection)
            self.serve()

    def put_aside(self, connection: C) -> None:
        """Have another one made in the place of one that is closed and that nobody has in hand."""
        if connection.was_made and connection.dbapi_connection is None:  # a listener may have kept it from closing
            self._spare.append(connection)

    def claim(self, use: Use) -> C | None:
        """Return the connection that still belongs to a use, if one does; it is not idle, and the use does not wait."""
        with self._lock:
            self._queue.pop(use, None)
            held: C | None = use.connection
            if held is None or held.use is not use or held not in self._out:
                return None
            self.idle.pop(held, None)
            return held

    # ---- looking after ----

    @property
    def in_use(self) -> int:
        """Permits that are out."""
        return len(self._out) - len(self._written_off)

    @property
    def waiting(self) -> int:
        """Threads in the queue."""
        return len(self._queue)

    def out(self) -> list[C]:
        """Return what is in use or being made at this moment, with what was written off and may still come back."""
        with self._lock:
            return list(self._out)

    def all(self) -> list[C]:
        """Return what is out, and what is idle."""
        with self._lock:
            return [*self._out, *(each for each in self.idle if each not in self._out)]

    def uses(self) -> list[Use]:
        """Return who has a connection at this moment, or has one made."""
        return [use for each in self.out() if (use := each.use) is not None]

    def left_behind(self) -> list[C]:
        """Return what the parent has, in a child process, where another thread may have held the lock."""
        return [*self._out, *self.idle]

    def alive(self) -> int:
        """Return how many connections there are that are made."""
        with self._lock:
            return sum(each.state in ("idle", "in use") for each in self.all())

    def of(self, connection: object) -> Use | None:
        """Return whose a driver's connection is, None where it is nobody's."""
        there = (each.use for each in self.out() if each.state == "in use" and each.dbapi_connection is connection)
        return next(there, None)

    def condemn(self, reason: CloseReason = "doomed") -> None:
        """Have no connection used again that there is now: the server goes away, or takes no writes."""
        for each in self.all():
            if each.state in ("idle", "in use"):
                each.condemned = each.condemned or reason

    def cut_overdue(self, now: float, longest_call: float) -> bool:
        """End the calls whose time is over; tell whether the server was silent in one of them."""
        silent = False
        with self._lock:
            # Again as long as it lasts: a thread that overslept may begin something only now.
            for each in self._out:
                if (use := each.use) is not None and use.is_due(now, longest_call):
                    silent = silent or (each.wire is not None and use.call_began is not None and not use.overdue)
                    use.overdue = True
                    if each.wire:
                        each.wire.cut()
        return silent

    def write_off(self, now: float) -> list[Use]:
        """Give others the permits of uses whose deadline is over and that are not back; return them, once."""
        with self._lock:
            self._out.difference_update([each for each in self._out if each.use is None])  # an exchange broke off
            late = [each for each in self._out if each.use is not None and each.use.is_overstayed(now)]
            uses = [each.use for each in late if each.use is not None]
            self._written_off.update(late)
            for use in uses:
                use.written_off = True
            if late:
                self.serve()
            return uses

    def evict(self, why: Callable[[C, bool], CloseReason | None]) -> Iterator[tuple[C, CloseReason]]:
        """Take out and return the idle ones for which there is a reason; `why` is told whether a better one is kept.

        One after the other: while one is being closed, the others are there for whoever needs one.
        """
        kept = False
        with self._lock:
            there = list(self.idle)
        for each in reversed(there):
            with self._lock:
                if each not in self.idle:
                    continue
                reason = why(each, kept)
                if reason is None:
                    kept = True
                    continue
                del self.idle[each]
            yield each, reason

    def close(self) -> Iterator[C]:
        """Return one idle connection after the other, and keep none until it is opened again."""
        while True:
            with self._lock:
                self._kept = 0
                self._spare.clear()
                if not self.idle:
                    return
                each, _ = self.idle.popitem()
            yield each

    def open_again(self) -> None:
        """Keep connections, if it was closed."""
        self._kept = self._most_kept

    def count(self) -> None:
        """Count the uses that have come to their end since the last time: those who release do not wait for that."""
        with self._lock:
            ended, self._ended = self._ended, []
            self._stats.note_uses(ended)

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return gauges and what is counted, of one moment."""
        with self._lock:
            self.count()
            under_way = [each.use for each in self._out if each.use is not None]
            gauges = {"size": self.permits, "in_use": self.in_use, "idle": len(self.idle), "waiting": self.waiting}
            return gauges | self._stats.snapshot(now, under_way)

    # ---- what the server allows ----

    def keep_to(self, limit: int) -> bool:
        """Let no more in than so many, as the server allows for no more; tell whether that is news."""
        with self._lock:
            is_news = self.limit == self.permits
            self.limit = min(limit, self.permits)
            self._grow_at = monotonic() + self._pause
            self._pause = min(2 * self._pause, GROW_AFTER_SECONDS[1])
            return is_news

    def grow_to(self, limit: int) -> bool:
        """Let as many in as that: the server has allowed for one more; tell whether it sets no limit any more."""
        with self._lock:
            self.limit = min(max(limit, self.limit), self.permits)
            self._grow_at, self._pause = 0.0, GROW_AFTER_SECONDS[0]
            self.serve()
            return self.limit == self.permits

    def _limit_now(self) -> int:
        """Return the limit, and now and then one more: whoever takes it finds out whether the server allows for it."""
        if self.limit == self.permits or monotonic() < self._grow_at:
            return self.limit
        return self.limit + 1

    def _all(self) -> str:
        of = "" if self.limit == self.permits else f" that the server allows, of {self.permits},"
        return f"{self.limit} connections{of}"
