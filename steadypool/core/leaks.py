"""Who has held a connection for too long: from which line it was acquired, and what its holder does now."""

import gc
import logging
import sys
from traceback import FrameSummary, format_list
from types import CodeType

from steadypool.core.connection import Stack, Use, stack_of
from steadypool.core.threads import start_thread

OF_A_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime"}

log = logging.getLogger(__name__)


def report(use: Use, now: float, after: float) -> bool:
    """Warn once about a use that has lasted longer than so many seconds; tell whether this was the time."""
    if use.reported or use.granted is None or now - use.granted <= after:
        return False
    use.reported = True
    log.warning(
        "a connection has been held for %.1f s\nacquired at (innermost call first):\n%sits holder is now at:\n%s",
        now - use.granted,
        _acquired_at(use),
        _printed(_stack_of_thread(use.thread)),
        extra=_told_of(use),
    )
    return True


def report_return(use: Use, now: float) -> None:
    """Tell that a use that was warned about is over."""
    if use.reported and use.granted is not None:
        log.info("the connection came back after %.1f s", now - use.granted, extra=_told_of(use))


def report_written_off(use: Use) -> None:
    """Warn that somebody keeps a connection whose request is over; its place in the pool is given to others."""
    log.warning(
        "a connection was not returned; it is cut, and written off; acquired at:\n%s",
        _acquired_at(use),
        extra=_told_of(use),
    )


def report_dropped(use: Use) -> None:
    """Warn that a connection was recovered which its holder forgot."""
    log.warning(
        "a connection was dropped without being returned; acquired at:\n%s", _acquired_at(use), extra=_told_of(use)
    )


def look_for_circles() -> None:
    """Have the garbage collector look for what nobody has any more.

    A connection that ran a statement is in a circle of references: without this, it would come back whenever Python
    next looks for such. In a thread of its own: other people's finalizers may wait for something.
    """
    start_thread("look-for-circles", gc.collect)


def _told_of(use: Use) -> dict[str, object]:
    """Return for whom it was acquired, for the log; a name that a record has itself gets another one."""
    return {f"holder_{name}" if name in OF_A_RECORD else name: value for name, value in use.holder.items()}


def _acquired_at(use: Use) -> str:
    return _printed(use.acquired_at) if use.acquired_at else "(not remembered: a Lookup, or leak_seconds is 0)\n"


def _stack_of_thread(thread: int) -> Stack:
    """Return where a thread is right now."""
    return stack_of(sys._current_frames().get(thread))


def _printed(stack: Stack) -> str:
    """Return a stack as tracebacks are printed; only now are source files read."""
    calls = [FrameSummary(code.co_filename, _line(code, place), code.co_name) for code, place in stack]
    return "".join(format_list(calls))


def _line(code: CodeType, place: int) -> int | None:
    return next((line for begin, end, line in code.co_lines() if begin <= place < end), None)
