"""Who has held a connection for too long: from which line it was borrowed, and what its holder does now."""

import logging

from steadypool.core.loan import Loan, printed, stack_of

log = logging.getLogger(__name__)


def report(loan: Loan, now: float, after: float) -> bool:
    """Warn once about a loan that has lasted longer than so many seconds; tell whether this was the time."""
    if loan.reported or loan.granted is None or now - loan.granted <= after:
        return False
    loan.reported = True
    log.warning(
        "a connection has been held for %.1f s\nborrowed at (innermost call first):\n%sits holder is now at:\n%s",
        now - loan.granted,
        _borrowed_at(loan),
        printed(stack_of(loan.thread)),
        extra=loan.borrower,
    )
    return True


def report_return(loan: Loan, now: float) -> None:
    """Tell that a loan that was warned about is over."""
    if loan.reported and loan.granted is not None:
        log.info("the connection came back after %.1f s", now - loan.granted, extra=loan.borrower)


def report_written_off(loan: Loan) -> None:
    """Warn that somebody keeps a connection whose request is over; its place in the pool is given to others."""
    log.warning(
        "a connection was not returned; it is cut, and written off; borrowed at:\n%s",
        _borrowed_at(loan),
        extra=loan.borrower,
    )


def report_dropped(loan: Loan) -> None:
    """Warn that a connection was recovered which its holder forgot."""
    log.warning(
        "a connection was dropped without being returned; borrowed at:\n%s", _borrowed_at(loan), extra=loan.borrower
    )


def _borrowed_at(loan: Loan) -> str:
    return printed(loan.borrowed_at) if loan.borrowed_at else "(not remembered: a Lookup, or POOL_LEAK_SECONDS=0)\n"
