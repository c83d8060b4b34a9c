"""One borrowing of a connection, from the question for it to its return, and the physical connection that is lent."""

import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from traceback import FrameSummary, format_list
from types import CodeType, FrameType
from typing import Any
from weakref import ReferenceType

from steadypool.core.deadline import Deadline
from steadypool.core.stats import CloseReason, Stats
from steadypool.core.wire import Record, Wire

Stack = Sequence[tuple[CodeType, int]]
"""Code and line of each call, the innermost first."""

GRACE_SECONDS = 0.5
"""How long after the end of its request a loan keeps its permit."""

FRAMES = 12
"""How many lines of a stack are kept."""


class Hand:
    """What whoever asks for a connection keeps in a variable: when it is gone, nobody will return the loan."""

    __slots__ = ("__weakref__",)


@dataclass(slots=True, eq=False)
class Loan:
    """Who borrows, since when, until when."""

    stats: Stats
    asked: float
    deadline: Deadline | None
    fresh: bool = False
    """The borrower wants a connection that is made now."""
    hand: "ReferenceType[Hand] | None" = None
    """None where nothing is lent."""
    changed: bool = True
    """More than plain statements may have run, or an answer be left unread; of a raw connection nobody knows."""
    lost: bool = False
    """An error has ended the transaction, whether the borrower takes notice or not."""
    granted: float | None = None
    opening: float = 0.0
    """Seconds that went into making a new connection."""
    pinging: float = 0.0
    """Seconds that went into finding out whether an idle one is good."""
    call_began: float | None = None
    """When the driver began what it is doing now: connecting, or a statement."""
    ended: bool = False
    """It was given up, or brought back."""
    committing: bool = False
    unfinished: bool = False
    """A call has begun that has not ended well: an answer may be left unread, or a transaction open."""
    overdue: bool = False
    written_off: bool = False
    """Its time was over, its connection cut, and still nobody brought it back: its permit is somebody else's."""
    wire: Wire | None = None
    record: Record | None = None
    """SQLAlchemy's, of the connection that was taken or made for it; whose it is now, `Link.loan` says."""
    link: "Link | None" = None
    proxy: "ReferenceType[Any] | None" = None
    thread: int = field(default_factory=threading.get_ident)
    borrower: Mapping[str, object] = field(default_factory=dict)
    """What log lines about the loan say of who it was for, such as a request id."""
    borrowed_at: Stack = ()
    reported: bool = False

    def remember(self, borrower: Mapping[str, object]) -> None:
        """Note for whom, and who calls the caller."""
        self.borrower = borrower
        self.borrowed_at = _stack(sys._getframe(2))

    def is_due(self, now: float, longest_call: float) -> bool:
        """Tell whether its deadline has passed or, where it has none, a call takes longer than any should."""
        if self.deadline is not None:
            return now >= self.deadline.ends
        return self.call_began is not None and now - self.call_began >= longest_call

    def is_lost_for_good(self, now: float) -> bool:
        """Tell whether whoever borrowed it has had time enough to notice that it was cut."""
        is_over = self.deadline is not None and now >= self.deadline.ends + GRACE_SECONDS
        return is_over and self.overdue and self.granted is not None and not self.written_off

    def end_call(self) -> None:
        """Count the time for which the driver was busy, if it was."""
        if self.call_began is not None:
            seconds, self.call_began = monotonic() - self.call_began, None
            self.stats.note_busy(seconds)
            self.pinging += seconds if self.granted is None else 0.0
            if self.deadline is not None:
                self.deadline.account.busy += seconds
                self.deadline.account.commands += 1

    def charge_wait(self, now: float) -> None:
        """Put what was waited until now on the request's account; connecting and pings are on it by themselves."""
        if self.deadline is not None:
            self.deadline.account.waited += now - self.asked - self.opening - self.pinging
            self.deadline.account.connecting += self.opening

    def seen(self, now: float) -> dict[str, Any] | None:
        """Return what can be told of the connection that is lent, or being made; None while there is none."""
        if self.link is not None:
            held = {"held_seconds": now - (self.granted or now), "borrower": dict(self.borrower)}
            return self.link.seen(now) | {"state": "in use", **held}
        began = self.call_began  # read once: its own thread goes on meanwhile
        if began is None:
            return None
        return {"state": "connecting", "held_seconds": now - began, "borrower": dict(self.borrower)}

    @property
    def was_dropped(self) -> bool:
        """Tell whether nobody returned it and the garbage collector found it."""
        return self.proxy is not None and self.proxy() is None

    @property
    def has_connection(self) -> bool:
        """Tell whether one was taken or made for it, and not given back."""
        link: Link | None = self.record.info.get("link") if self.record else None
        return link is not None and link.loan is self

    @property
    def is_forsaken(self) -> bool:
        """Tell whether nobody can return it any more: exceptions came between the steps of borrowing or returning."""
        if self.proxy is not None:
            return self.proxy() is None
        return self.hand is not None and self.hand() is None


@dataclass(slots=True, eq=False)
class Link:
    """A physical connection: what it goes over, when it was opened and last used, when its life is over."""

    stats: Stats
    wire: Wire | None
    opened: float
    used: float
    expires: float
    loan: Loan | None = None
    """Whose it is; nobody's while it is idle."""
    closed: bool = False
    uses: int = 0

    def seen(self, now: float) -> dict[str, Any]:
        """Return what can be told of an idle connection; times in seconds."""
        times = {"age_seconds": now - self.opened, "idle_seconds": now - self.used}
        return {"state": "idle", **times, "uses": self.uses}

    def end(self, reason: CloseReason) -> None:
        """Let go of the wire of a connection that is being closed, and count that, once."""
        if self.wire:
            self.wire.close()  # first: without that, the server would think it open, whatever comes in between
        if not self.closed:
            self.closed = True
            self.stats.note_closed(reason, self.opened, monotonic())


def stack_of(thread: int) -> Stack:
    """Return where a thread is right now."""
    return _stack(sys._current_frames().get(thread))


def printed(stack: Stack) -> str:
    """Return a stack as tracebacks are printed; only now are source files read."""
    return "".join(format_list([FrameSummary(code.co_filename, line, code.co_name) for code, line in stack]))


def _stack(frame: FrameType | None) -> Stack:
    # Not `traceback`, which costs ten times as much, on every loan. Code and numbers keep no variable alive.
    found: list[tuple[CodeType, int]] = []
    while frame is not None and len(found) < FRAMES:
        found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return found
