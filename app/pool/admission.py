"""Who may take a connection now: first come, first served, at most so many waiting, none for longer than their time."""

from collections import deque
from threading import Lock, RLock

from app.pool.errors import PoolExhaustedError, QueueFullError


class Gate:
    """A permit for each connection that may be open, handed to who has waited longest.

    A plain semaphore lets newcomers overtake those who wait; here everybody joins the queue, and whoever gives a
    permit back serves its head. Nothing slow happens under the lock.
    """

    def __init__(self, permits: int, most_waiting: int) -> None:
        self.permits, self.most_waiting = permits, most_waiting
        self._free = permits
        self._queue: deque[Lock] = deque()
        # Reentrant: the garbage collector may give back a forgotten connection in the middle of any line below.
        self._lock = RLock()

    @property
    def in_use(self) -> int:
        """Permits that are out."""
        return self.permits - self._free

    @property
    def waiting(self) -> int:
        """Threads in the queue."""
        return len(self._queue)

    def enter(self, seconds: float) -> None:
        """Take a permit, waiting for it at most so many seconds; raise PoolExhaustedError otherwise."""
        turn = Lock()
        turn.acquire()
        with self._lock:
            if not self._free and len(self._queue) >= self.most_waiting:
                raise QueueFullError(
                    f"all {self.permits} connections are in use and {len(self._queue)} threads wait already; "
                    "see what holds them, or raise POOL_SIZE"
                )
            self._queue.append(turn)
            self._serve()
        try:
            granted = turn.acquire(timeout=max(0.0, seconds))
        except BaseException:
            if not self._step_out(turn):
                self.leave()
            raise
        # A permit that came at the last moment is taken.
        if not granted and self._step_out(turn):
            raise PoolExhaustedError(
                f"all {self.permits} connections were in use for {seconds:.2f} s; "
                "see what holds them, or raise POOL_SIZE"
            )

    def leave(self) -> None:
        """Give a permit back."""
        with self._lock:
            self._free += 1
            self._serve()

    def _serve(self) -> None:
        while self._free > 0 and self._queue:
            # Counted first: during a call the garbage collector may give one back, and come by here as well.
            self._free -= 1
            self._queue.popleft().release()

    def _step_out(self, turn: Lock) -> bool:
        """Leave the queue; return False for who was served already."""
        with self._lock:
            if turn not in self._queue:
                return False
            self._queue.remove(turn)
            return True
