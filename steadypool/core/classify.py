"""What an error means for its connection, for the others and for whoever asked: one table for all databases."""

from enum import Enum
from typing import Literal, NamedTuple

from steadypool.core.errors import DeadlineExceededError, OutcomeUnknownError, PoolError
from steadypool.core.stats import Event

Phase = Literal["statement", "commit"]
Repeats = Literal["raise", "once more", "until the deadline"]
"""When it came. A ping is a statement; so is a ROLLBACK: if that fails the connection is closed whatever it was."""


class ErrorKind(Enum):
    """What went wrong. Drivers know which of their codes is which."""

    CONNECTION_DEAD = "this connection is of no use any more"
    ALL_DEAD = "the server is going away, and takes every connection along"
    READ_ONLY = "this server takes no writes (any more): the writer has moved"
    NOT_READY = "this node has left its cluster and refuses all: a new connection may lead to another one"
    TRY_AGAIN = "others were in the way: the whole unit of work may do better another time"
    INTERRUPTED = "somebody stopped the statement, and perhaps its connection"
    TOO_MUCH = "the program sent or asked for more than one packet may hold, and the connection is closed for it"
    TIMED_OUT = "the statement ran out of time, by the server's clock"
    REFUSED = "the data do not allow it"
    DENIED = "this user may not do it"
    FULL = "the server, or a limit of this user, has no room for more connections"
    MISTAKE = "the program is wrong"
    FOREIGN = "no database said it: it came in the middle of a call, and an answer may be left unread"


class Verdict(NamedTuple):
    """What is done about it."""

    closes: bool
    """This connection; else it is kept."""
    condemns: bool
    """All that are open by now are closed before their next use."""
    read: Repeats
    """A read changes nothing: it may be sent again, on a new connection, whatever became of the first time."""
    unit: Literal["raise", "once more", "again"]
    """A unit of work is begun again only where it is known that nothing of it was kept."""
    commit: Literal["refused", "unknown"]
    """What is known of a COMMIT that ended so: nothing was kept, or nobody knows."""
    connect: Literal["probe", "wait"]
    """After a connect that failed so: find out when the database is back, or wait for a connection to be released."""
    counts: Event | None
    raises: type[PoolError] | None = None
    """What is raised in the place of the driver's error."""


TABLE: dict[ErrorKind, Verdict] = {
    ErrorKind.CONNECTION_DEAD: Verdict(True, False, "once more", "raise", "unknown", "probe", None),
    ErrorKind.ALL_DEAD: Verdict(True, True, "once more", "raise", "unknown", "probe", None),
    # A connection that was open before a switch-over leads to who was the writer then, a new one perhaps to who is.
    ErrorKind.READ_ONLY: Verdict(True, True, "raise", "once more", "refused", "probe", None),
    # Not all of them: behind a proxy the others lead to other nodes.
    ErrorKind.NOT_READY: Verdict(True, False, "until the deadline", "raise", "refused", "probe", None),
    ErrorKind.TRY_AGAIN: Verdict(False, False, "once more", "again", "refused", "probe", "conflicts"),
    ErrorKind.INTERRUPTED: Verdict(True, False, "once more", "raise", "unknown", "probe", None),
    ErrorKind.TOO_MUCH: Verdict(True, False, "raise", "raise", "unknown", "probe", None),
    ErrorKind.TIMED_OUT: Verdict(
        False, False, "raise", "raise", "unknown", "probe", "statement_timeouts", DeadlineExceededError
    ),
    ErrorKind.REFUSED: Verdict(False, False, "raise", "raise", "refused", "probe", None),
    ErrorKind.DENIED: Verdict(False, False, "raise", "raise", "refused", "probe", None),
    ErrorKind.FULL: Verdict(False, False, "raise", "raise", "refused", "wait", None),
    ErrorKind.MISTAKE: Verdict(False, False, "raise", "raise", "refused", "probe", None),
    ErrorKind.FOREIGN: Verdict(True, False, "raise", "raise", "unknown", "probe", None),
}


def classify(kind: ErrorKind, phase: Phase, *, overdue: bool = False) -> Verdict:
    """Return what is done about an error, which came after the deadline was over if it is overdue.

    A no that came all the same, such as SQLite's "busy" just after the deadline, is an answer.
    """
    verdict = TABLE[kind]
    if phase == "commit" and verdict.commit == "unknown":
        return verdict._replace(raises=OutcomeUnknownError, counts="unknown_outcomes")
    if overdue and phase == "statement" and kind is not ErrorKind.TRY_AGAIN:
        return verdict._replace(raises=DeadlineExceededError, counts="statement_timeouts", read="raise", unit="raise")
    return verdict
