"""Who has a connection at this moment: what the watchdog looks at."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from time import monotonic
from typing import Any

from steadypool.core import leaks
from steadypool.core.loan import Loan
from steadypool.core.threads import start_thread


class Loans:
    """The loans of one pool, from the question for a connection to its return."""

    def __init__(self) -> None:
        # So that nothing is cut which was just returned and perhaps lent again. Reentrant: the garbage collector may
        # return a forgotten connection at any time.
        self._lock = RLock()
        self._open: set[Loan] = set()

    def begin(self, loan: Loan) -> None:
        """Watch it from now on."""
        with self._lock:
            self._open.add(loan)

    def end(self, loan: Loan) -> None:
        """Watch it no more: from here on nobody touches its wire. To say so twice does no harm."""
        now, loan.ended = monotonic(), True
        with self._lock:
            if loan not in self._open:
                return
            self._open.remove(loan)
        if loan.granted is not None:
            loan.stats.note_returned(now - loan.granted)
        elif loan.wire:
            loan.wire.close()  # nobody else knows of a connection that was only begun
        leaks.report_return(loan, now)

    @contextmanager
    def watching(self, loan: Loan) -> Iterator[Loan]:
        """Have what is begun for it ended when it is overdue; nothing is lent."""
        self.begin(loan)
        try:
            yield loan
        finally:
            self.end(loan)

    def cut_overdue(self, now: float, longest_call: float) -> bool:
        """End the calls whose time has passed; tell whether the server was silent in one of them."""
        with self._lock:
            due = [loan for loan in self._open if loan.is_due(now, longest_call)]
            silent = any(loan.wire and loan.call_began is not None and not loan.overdue for loan in due)
            # Again as long as it lasts: a thread that overslept may begin something only now.
            for loan in due:
                loan.overdue = True
                if loan.wire:
                    loan.wire.cut()
        return silent

    def write_off(self, now: float) -> list[Loan]:
        """Return, once, those that are not back though their request is over and their connection was cut."""
        with self._lock:
            lost = [loan for loan in self._open if loan.is_lost_for_good(now)]
            for loan in lost:
                loan.written_off = True
        return lost

    def open(self) -> list[Loan]:
        """Return those of this moment."""
        with self._lock:
            return list(self._open)

    def on(self, connection: Any) -> Loan | None:
        """Return the loan of a driver's connection, None where it is nobody's."""
        there = (loan for loan in self.open() if loan.record is not None and loan.record.dbapi_connection is connection)
        return next(there, None)

    def left_behind(self) -> list[Loan]:
        """Return those of the parent in a child process, where another thread may have held the lock."""
        return list(self._open)

    def report_leaks(self, now: float, after: float) -> None:
        """Tell of loans that have lasted longer than so many seconds, and take back those that nobody has any more."""
        loans = self.open()
        reported = [leaks.report(loan, now, after) for loan in loans]
        del loans
        if any(reported):
            # A connection that ran a statement is in a circle of references: without this, it would come back whenever
            # Python next looks for such. In a thread of its own: other people's finalizers may wait for something.
            start_thread("look-for-circles", gc.collect)
