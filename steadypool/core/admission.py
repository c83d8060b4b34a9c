"""Who may take a connection now: first come, first served, at most so many waiting, none for longer than their time."""

from threading import Lock, RLock
from time import monotonic
from typing import Any

from steadypool.core.errors import PoolExhaustedError, QueueFullError

GROW_AFTER_SECONDS = (0.05, 5.0)
"""How long after the server refused a connection the next is asked for, and the longest: it doubles. A place whose
connection has just been closed is often free a moment later; a server that is full stays so."""


class Gate:
    """A permit for each connection that may be open, handed to who has waited longest.

    A plain semaphore lets newcomers overtake those who wait; here everybody joins the queue, and whoever gives a
    permit back serves its head. Nothing slow happens under the lock.

    Permits are not counted but held, each by somebody: an exception from outside may come between any two steps, and
    to give back twice, or what one never had, must do no harm.
    """

    def __init__(self, permits: int, most_waiting: int) -> None:
        self.permits, self.most_waiting = permits, most_waiting
        self.limit = permits
        """As many as may be out: fewer where the server allows for fewer connections."""
        self._holders: set[Any] = set()
        self._queue: dict[object, Lock] = {}
        self._grow_at, self._pause = 0.0, GROW_AFTER_SECONDS[0]
        # Reentrant: the garbage collector may give back a forgotten connection in the middle of any line below.
        self._lock = RLock()

    @property
    def in_use(self) -> int:
        """Permits that are out."""
        return len(self._holders)

    @property
    def waiting(self) -> int:
        """Threads in the queue."""
        return len(self._queue)

    def enter(self, holder: object, seconds: float, *, first: bool = False) -> None:
        """Take a permit, waiting for it at most so many seconds; raise PoolExhaustedError otherwise.

        Whoever is interrupted may hold it all the same, or stand in the queue, and has to `leave`. `first` is for who
        has had a turn that came to nothing.
        """
        with self._lock:
            if not self._queue and len(self._holders) < self.limit:
                self._holders.add(holder)
                return
            turn = self._join(holder, first=first)
        if turn.acquire(timeout=max(0.0, seconds)):
            return
        with self._lock:
            self._queue.pop(holder, None)
            if holder not in self._holders:  # a permit that came at the last moment is taken
                raise PoolExhaustedError(
                    f"all {self._all()} were in use for {seconds:.2f} s; see what holds them, or raise POOL_SIZE"
                )

    def leave(self, holder: object) -> None:
        """Give a permit back, or one's place in the queue; whoever has neither may say so, too."""
        with self._lock:
            self._holders.discard(holder)
            if self._queue:
                self._queue.pop(holder, None)
                self.serve()

    def serve(self) -> None:
        """Let those in who may be let in by now."""
        with self._lock:
            while len(self._holders) < self._limit_now() and (holder := next(iter(self._queue), None)):
                # In before out: an interruption must not lose who is served; their lock is only their alarm clock.
                self._holders.add(holder)
                if turn := self._queue.pop(holder, None):
                    turn.release()

    def holders(self) -> list[Any]:
        """Return who has a permit at this moment."""
        with self._lock:
            return list(self._holders)

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

    def _join(self, holder: object, *, first: bool) -> Lock:
        if not first and len(self._holders) >= self._limit_now() and len(self._queue) >= self.most_waiting:
            raise QueueFullError(
                f"all {self._all()} are in use and {len(self._queue)} threads wait already; "
                "see what holds them, or raise POOL_SIZE"
            )
        turn = Lock()
        turn.acquire()
        if first:
            self._queue = {holder: turn} | self._queue
        else:
            self._queue[holder] = turn
        self.serve()
        return turn

    def _limit_now(self) -> int:
        """Return the limit, and now and then one more: whoever takes it finds out whether the server allows for it."""
        if self.limit == self.permits or monotonic() < self._grow_at:
            return self.limit
        return self.limit + 1

    def _all(self) -> str:
        of = "" if self.limit == self.permits else f" that the server allows, of {self.permits},"
        return f"{self.limit} connections{of}"
