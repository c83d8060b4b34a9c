"""The connections that nobody uses: last in, first out, so that those which are not needed stay at the bottom."""

from collections.abc import Callable, Iterable, Iterator
from threading import RLock

from steadypool.core.loan import Loan
from steadypool.core.stats import CloseReason
from steadypool.core.wire import Record

Unneeded = list[tuple[Record, CloseReason]]


class IdleStack:
    """At most so many idle connections.

    Whose a connection is stands in `Link.loan`, and changes here alone, such that an interruption between any two
    steps leaves it with one owner: the loan, which is settled later, or nobody, and then it lies here.
    """

    def __init__(self, most: int, *, lifo: bool = True) -> None:
        self._most, self._from = most, reversed if lifo else iter
        self._stack: dict[Record, None] = {}  # in order; one may be taken out of the middle
        self._lock = RLock()  # the garbage collector may return a forgotten connection at any time

    def __len__(self) -> int:
        return len(self._stack)

    def push(self, record: Record) -> bool:
        """Keep a connection, which is nobody's from then on, or return False where there are enough."""
        with self._lock:
            if len(self._stack) >= self._most:
                return False
            self._stack[record] = None
            record.info["link"].loan = None
            return True

    def pop(self, loan: Loan) -> Record | None:
        """Return the connection that was used last; it belongs to that loan."""
        with self._lock:
            record = next(self._from(self._stack), None)
            if record is not None:
                record.info["link"].loan, loan.record = loan, record
                del self._stack[record]
            return record

    def claim(self, loan: Loan) -> Record | None:
        """Return the connection that still belongs to a loan, if one does; it does not lie here any more."""
        with self._lock:
            if not loan.has_connection or loan.record is None:
                return None
            self._stack.pop(loan.record, None)
            return loan.record

    def count_with(self, loans: Iterable[Loan]) -> int:
        """Return how many connections lie here or belong to one of these loans."""
        with self._lock:
            return len(self._stack) + len({loan.record for loan in loans if loan.has_connection})

    def close(self) -> Iterator[Record]:
        """Return one after the other, and keep none from now on."""
        self._most = 0
        while self._stack:
            with self._lock:
                if not self._stack:
                    return
                record, _ = self._stack.popitem()
            yield record

    def all(self) -> list[Record]:
        """Return those of this moment."""
        with self._lock:
            return list(self._stack)

    def left_behind(self) -> list[Record]:
        """Return all of them in a child process, where another thread may have held the lock, and is not there."""
        return list(self._stack)

    def sort_out(self, why: Callable[[Record, bool], CloseReason | None]) -> Unneeded:
        """Take out and return those for which there is a reason; `why` is told whether a better one is kept."""
        unneeded: Unneeded = []
        with self._lock:
            kept = False
            for record in reversed(list(self._stack)):
                if reason := why(record, kept):
                    unneeded.append((record, reason))
                    del self._stack[record]
                else:
                    kept = True
        return unneeded
