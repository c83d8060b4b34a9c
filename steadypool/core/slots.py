"""Who may have a connection, and which: a fair semaphore and the stack of idle connections, under one lock."""

from collections.abc import Callable
from threading import TIMEOUT_MAX, Lock
from time import monotonic
from typing import TypeVar

from steadypool.core.connection import Connection, Use
from steadypool.core.errors import PoolExhaustedError, QueueFullError
from steadypool.core.roster import Roster
from steadypool.core.stats import Stats

C = TypeVar("C", bound=Connection)

GROW_AFTER_SECONDS = (0.05, 5.0)
"""How long after the server refused a connection the next is asked for, and the longest: it doubles. The place of one
that was just closed is often free a moment later."""


class Slots(Roster[C]):
    """At most `permits` connections in use or being made, and at most `kept` idle ones.

    A semaphore lets newcomers overtake; here all join the queue, and whoever gives a permit back serves its head. What
    was used last is used first (`lifo`): those not needed stay at the bottom. Nothing slow happens under the lock.

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
        most_pending: int,
        lifo: bool = True,
    ) -> None:
        super().__init__(stats)
        self.permits, self.most_pending = permits, most_pending
        self.limit = permits
        """As many as may be out: fewer where the server allows for fewer connections."""
        self._make, self._next = make, reversed if lifo else iter
        self._kept = self.most_kept = kept
        self._was_larger = False  # there may be more than `permits`, from before `resize`
        self._grow_at, self._pause = 0.0, GROW_AFTER_SECONDS[0]

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
                if use.connection is not None and use.connection.use is use:
                    self._take_out(use.connection)  # as in `serve`
        given: C | None = use.connection  # at the last moment
        if given is None or given.use is not use:
            raise PoolExhaustedError(
                f"all {self._all()} were in use for {seconds:.2f} s; see what holds them, or keep more"
            )
        return given

    def exchange(self, connection: C, use: Use) -> C:
        """Return another one for one that was not fit, on the same permit."""
        with self._lock:
            given = self._give(use, fresh=use.fresh)
            self._out.discard(connection)
            connection.use = None
            return given

    def _give(self, use: Use, *, fresh: bool = False) -> C:
        given = next(self._next(self.idle)) if self.idle and not fresh else self._make()
        use.connection, given.use = given, use
        self._take_out(given)
        return given

    def _take_out(self, given: C) -> None:
        self._out.add(given)
        if given.state == "idle":
            given.state = "in use"
        self.idle.pop(given, None)

    def _join(self, use: Use, *, first: bool) -> Lock:
        if not first and self.in_use >= self._limit_now() and len(self._queue) >= self.most_pending:
            raise QueueFullError(
                f"all {self._all()} are in use and {len(self._queue)} threads wait already; "
                "see what holds them, or keep more"
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
        """Let those in who may be let in by now. Their locks are only alarm clocks: an interruption loses nobody."""
        with self._lock:
            while self._queue:
                use, turn = next(iter(self._queue.items()))
                if use.connection is not None and use.connection.use is use:
                    self._take_out(use.connection)  # whoever served it was interrupted
                elif self.in_use >= self._limit_now():
                    return
                else:
                    self._give(use)
                self._queue.pop(use, None)
                turn.release()

    # ---- release ----

    def give_back(self, connection: C, now: float) -> bool:
        """Keep a good connection for the next and give its permit back; return False where it is to be closed."""
        with self._lock:
            use = connection.use
            if use is None or use.granted is None or use.was_cut or len(self.idle) >= self._kept:
                return False
            if self._was_larger and len(self.idle) + self.in_use > self.permits:
                return False
            self.idle[connection] = None
            connection.state, connection.used, use.ended = "idle", now, now
            self.took.append((None, now - use.granted, use.busy))
            self._out.discard(connection)
            connection.use = None
            if self._queue:
                self.serve()
            return True

    def leave(self, connection: C, use: Use) -> None:
        """Give back the permit of one that is closed; to do so twice, or too late, does no harm."""
        with self._lock:
            if use.ended is None:
                use.ended = monotonic()
                self.took.append((None, None if use.granted is None else use.ended - use.granted, use.busy))
                self.count()
            if connection.use is use:
                self._written_off.discard(connection)
                self._out.discard(connection)
                connection.use = None
            self.serve()

    def give_up_turn(self, connection: C) -> None:
        """Give back the permit of one that could not be made, for a use that goes on."""
        with self._lock:
            self._out.discard(connection)
            connection.use = None
            self.serve()

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

    def write_off(self, now: float) -> list[Use]:
        """Give others the permits of uses whose deadline is over and that are not back; return them, once."""
        with self._lock:
            self._out -= {each for each in self._out if not (each.use and each.use.connection is each)}  # broken off
            late = [each for each in self._out if each.use is not None and each.use.is_overstayed(now)]
            uses = [each.use for each in late if each.use is not None]
            self._written_off.update(late)
            for use in uses:
                use.written_off = True
            if late:
                self.serve()
            return uses

    # ---- how many ----

    def resize(self, permits: int, kept: int) -> None:
        """Let so many in from now on, and keep so many; `surplus` has the idle ones that are too many by then."""
        with self._lock:
            # What the server allows is no more than that for having asked.
            self.limit = permits if self.limit == self.permits else min(self.limit, permits)
            self._was_larger = self._was_larger or permits < self.permits
            self.permits, self.most_kept = permits, kept
            self._kept = kept if self._kept else 0  # it is closed
            self.serve()

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
