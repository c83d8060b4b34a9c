"""The connections that nobody uses: last in, first out, so that those which are not needed stay at the bottom."""

from collections import deque
from collections.abc import Callable
from threading import RLock

from sqlalchemy.pool import ConnectionPoolEntry

from app.pool.stats import CloseReason

Unneeded = list[tuple[ConnectionPoolEntry, CloseReason]]


class IdleStack:
    """At most so many idle connections."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._stack: deque[ConnectionPoolEntry] = deque()
        self._lock = RLock()  # the garbage collector may return a forgotten connection at any time

    def __len__(self) -> int:
        return len(self._stack)

    def push(self, record: ConnectionPoolEntry) -> bool:
        """Keep a connection, or return False where there are enough."""
        with self._lock:
            if len(self._stack) >= self._most:
                return False
            self._stack.append(record)
            return True

    def pop(self) -> ConnectionPoolEntry | None:
        """Return the connection that was used last."""
        with self._lock:
            return self._stack.pop() if self._stack else None

    def close(self) -> list[ConnectionPoolEntry]:
        """Return all of them, and keep none from now on."""
        with self._lock:
            self._most = 0
            records, self._stack = list(self._stack), deque()
            return records

    def all(self) -> list[ConnectionPoolEntry]:
        """Return those of this moment."""
        with self._lock:
            return list(self._stack)

    def left_behind(self) -> list[ConnectionPoolEntry]:
        """Return all of them in a child process, where another thread may have held the lock, and is not there."""
        return list(self._stack)

    def sort_out(self, why: Callable[[ConnectionPoolEntry, bool], CloseReason | None]) -> Unneeded:
        """Take out and return those for which there is a reason; `why` is told whether a better one is kept."""
        unneeded: Unneeded = []
        with self._lock:
            kept = False
            for record in reversed(list(self._stack)):
                if reason := why(record, kept):
                    unneeded.append((record, reason))
                    self._stack.remove(record)
                else:
                    kept = True
        return unneeded
