"""Who has held a connection for too long: from which line it was borrowed, and what its holder does now."""

import logging
from collections.abc import Callable
from typing import Any

from app.pool.loan import Loan, stack_of

log = logging.getLogger(__name__)


def report(loan: Loan, now: float, after: float) -> None:
    """Warn once about a loan that has lasted longer than so many seconds."""
    if loan.reported or loan.granted is None or now - loan.granted <= after:
        return
    loan.reported = True
    held = now - loan.granted
    borrowed = "".join(loan.borrowed_at.format()) if loan.borrowed_at else "unknown\n"
    _log(
        loan,
        log.warning,
        "a connection has been held for %.1f s\nborrowed at (innermost call first):\n%sits holder is now at:\n%s",
        held,
        borrowed,
        "".join(stack_of(loan.thread).format()),
    )


def report_return(loan: Loan, now: float) -> None:
    """Tell that a loan that was warned about is over."""
    if loan.reported and loan.granted is not None:
        _log(loan, log.info, "the connection came back after %.1f s", now - loan.granted)


def report_dropped(loan: Loan) -> None:
    """Warn that a connection was recovered which its holder forgot."""
    borrowed = "".join(loan.borrowed_at.format()) if loan.borrowed_at else "unknown\n"
    _log(loan, log.warning, "a connection was dropped without being returned; borrowed at:\n%s", borrowed)


def _log(loan: Loan, write: Callable[..., None], message: str, *values: Any) -> None:
    # In the borrower's context, so that the line carries the borrower's request id.
    if loan.context is not None:
        loan.context.copy().run(write, message, *values)
    else:
        write(message, *values)
