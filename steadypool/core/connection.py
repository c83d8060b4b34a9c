"""A connection of the pool, and the one use that it has at a time."""

from collections.abc import Mapping, Sequence
from math import inf
from os import getpid
from random import SystemRandom
from threading import get_ident
from time import monotonic
from types import CodeType, FrameType
from typing import Any, Literal, Self
from weakref import ReferenceType, ref

from steadypool.core.deadline import Deadline
from steadypool.core.stats import CloseReason, Stats
from steadypool.core.wire import Wire

ConnectionState = Literal["connecting", "idle", "in use", "closed"]

Stack = Sequence[tuple[CodeType, int]]
"""Code and instruction of each call, the innermost first."""
FRAMES = 12
"""How many calls of a stack are kept."""

GRACE_SECONDS = 0.5
"""How long after the end of its deadline a use keeps its permit."""
IDLE_SECONDS = 60.0
"""How long a connection may be unused before it is evicted, all but one. Reuse is last in, first out: what stays
unused for a minute is not needed."""
JITTER = 0.1
MARGIN_SECONDS = 2.0
"""The housekeeping comes once a second."""
DICE = SystemRandom()  # without a state that a fork would share or that a test has seeded


class Hand:
    """What whoever acquires keeps in a variable: when it is gone, nobody will release the connection."""

    __slots__ = ("__weakref__",)


class Use:
    """One use, from the question for a connection to its release.

    `deadline` is the one of its thread when it asked; one that begins later does not count.
    The thread that asked writes it; `was_cut`, `written_off` and `reported` are written by the housekeeping, under the
    lock of the slots.
    """

    connection: Any = None
    """The one that it got, or that is being made for it. Whose that is now, `Connection.use` says."""
    fresh = False
    """Wants a connection that is made now."""
    call_began: float | None = None
    """When the driver began what it is doing now: connecting, or a statement."""
    granted: float | None = None
    ended: float | None = None
    """Set by the slots, when the permit is given back."""
    opening = 0.0
    """Seconds that went into making a new connection."""
    pinging = 0.0
    """Seconds that went into finding out whether an idle one is good."""
    busy = 0.0
    """Seconds for which the driver was busy."""
    changed = True
    """More than plain statements may have run, or an answer be left unread; of a raw connection nobody knows."""
    unfinished = False
    """A call has begun that has not ended well: an answer may be left unread, or a transaction open."""
    committing = False
    lost = False
    """An error has ended the transaction, whether the holder takes notice or not."""
    was_cut = False
    """It was cut at its deadline."""
    catching_up = False
    """It waits for a replica that is behind."""
    written_off = False
    """Its time was over, its connection cut, and still nobody brought it back: its permit is somebody else's.

    Never without a deadline: nobody knows then how long it may take.
    """
    reported = False
    proxy: "ReferenceType[Any] | None" = None
    holder: Mapping[str, object] = {}
    """What log lines about it say of who it is for, such as a request id."""
    acquired_at: Stack = ()

    def __init__(self, asked: float, deadline: Deadline | None, hand: Hand) -> None:
        self.asked, self.deadline = asked, deadline
        self.hand: ReferenceType[Any] = ref(hand)
        self.thread = get_ident()

    def is_due(self, now: float, longest_call: float) -> bool:
        """Tell whether its deadline is over or, where it has none, a call takes longer than any should."""
        if self.deadline is not None:
            return self.deadline.is_over(now)
        return self.call_began is not None and now - self.call_began >= longest_call

    def is_over(self, now: float) -> bool:
        """Tell whether its time is over: its deadline, or it was cut in a call that took too long."""
        return self.was_cut or (self.deadline is not None and self.deadline.is_over(now))

    def is_overstayed(self, now: float) -> bool:
        """Tell whether whoever acquired it has had time enough to notice that it was cut."""
        is_over = self.deadline is not None and self.deadline.is_over(now - GRACE_SECONDS)
        return is_over and self.was_cut and self.granted is not None and not self.written_off

    def end_call(self) -> None:
        """Count the time for which the driver was busy, if it was."""
        if self.call_began is not None:
            seconds, self.call_began = monotonic() - self.call_began, None
            self.busy += seconds
            if self.granted is None:
                self.pinging += seconds
            if self.deadline is not None:
                self.deadline.account.busy += seconds
                self.deadline.account.commands += 1

    def charge_wait(self, now: float) -> None:
        """Put what was waited until now on the request's account; connecting and pings are on it by themselves."""
        if self.deadline is not None:
            self.deadline.account.waited += now - self.asked - self.opening - self.pinging
            self.deadline.account.connecting += self.opening

    @property
    def is_forsaken(self) -> bool:
        """Tell whether nobody can release it any more: exceptions came between the steps of acquire or release."""
        return self.hand() is None if self.proxy is None else self.proxy() is None


class Connection:
    """A physical connection, or one that is being made; whoever has one that is not idle holds a permit.

    ==========  ==========  ===========================================================  ==================
    state       becomes     when                                                         by
    ==========  ==========  ===========================================================  ==================
    connecting  in use      it was made                                                  `made`
    connecting  closed      it could not be made, or whoever wanted it gave up           `end`
    idle        in use      somebody acquires it                                         `Slots.take`
    idle        closed      it is stale, its life is over, nobody needs it               `end`
    in use      idle        it is released, and good                                     `Slots.give_back`
    in use      closed      an error, its age, a changed session, nobody has it any more `end`
    closed      connecting  another one is made in its place, on the same permit         `connecting`
    ==========  ==========  ===========================================================  ==================

    Only who uses it changes it, and who has taken an idle one off the stack; `use` is under the lock of the slots.
    """

    dbapi_connection: Any
    """The driver's, None while there is none."""

    def __init__(self, stats: Stats) -> None:
        self.stats, self.process = stats, getpid()
        self.use: Use | None = None
        self.connecting()

    def connecting(self) -> None:
        """Begin anew: nothing is known of the one that was here before."""
        self.state: ConnectionState = "connecting"
        self.wire: Wire | None = None
        self.uses, self.is_counted = 0, False
        self.opened = self.used = 0.0
        self.expires = inf
        self.wait_timeout: float | None = None
        """For how many seconds the server keeps an idle client."""
        self.session: Any = None
        """By what the driver has the server end what it does here; None where it cannot."""
        self.condemned: CloseReason | None = None
        """Why it is not to be used again, however good it looks."""

    def note_wire(self, wire: Wire) -> None:
        """Note what it goes over; another wire was that of somebody's first try, elsewhere."""
        if self.wire:
            self.wire.close()
        self.wire = wire

    def made(self, recycle: float) -> Self:
        """Note that it was made, and for how many seconds it may be used.

        Shorter than the server waits for an idle client, so that it is us who say goodbye. Jitter only shortens: a
        connection that outlived `wait_timeout` would be found dead by a user instead of by us; and what was opened in
        one second does not end in one.
        """
        if self.wait_timeout:
            recycle = min(recycle, max(self.wait_timeout - MARGIN_SECONDS, self.wait_timeout / 2))
        self.opened = self.used = monotonic()
        self.expires = self.opened + recycle * (1 - JITTER * DICE.random())
        self.stats.note_opened(self, self.use.opening if self.use else 0.0)
        self.state = "in use"
        return self

    def end(self, reason: CloseReason) -> None:
        """Let go of the wire of a connection that is being closed, and count that, once."""
        if self.wire:
            self.wire.close()  # first: without that, the server would think it open, whatever comes in between
        self.state = "closed"
        self.stats.note_closed(self, reason, monotonic())

    def why_over(self, now: float) -> CloseReason | None:
        """Return why its life is over, if it is."""
        return self.condemned or ("expired" if now >= self.expires else None)

    def why_unfit(self, use: Use, ping_after: float | None) -> CloseReason | None:
        """Return why it cannot be used though it was idle; None for a time means that it is not validated.

        Costs a round trip only after so many idle seconds.
        """
        now = monotonic()
        if self.condemned or now >= self.expires or ping_after is None:
            return self.why_over(now)
        if self.wire is not None:
            if not self.wire.is_quiet():
                return "stale"
            if now - self.used <= ping_after:
                return None
        # What idled for long is pinged: firewalls drop connections without a word. So is what shows no socket.
        use.call_began = now
        try:
            return None if self.answers() else "stale"
        finally:
            use.end_call()

    def why_unneeded(self, now: float, more: bool) -> CloseReason | None:
        """Return why an idle one may go, if it may; the last one is kept as long as it is good."""
        if self.wire is not None and not self.wire.is_quiet():
            return "stale"
        return "idle" if more and now - self.used > IDLE_SECONDS else self.why_over(now)

    def answers(self) -> bool:
        """Tell by a round trip whether it is good."""
        raise NotImplementedError

    def seen(self, now: float) -> dict[str, Any] | None:
        """Return what can be told of it, times in seconds; None while nothing can."""
        use = self.use
        held = {} if use is None else {"held_seconds": now - (use.granted or now), "holder": dict(use.holder)}
        if self.state in ("idle", "in use"):
            times = {"age_seconds": now - self.opened, "idle_seconds": now - self.used}
            return {"state": self.state, **times, "uses": self.uses, **held}
        began = use.call_began if use else None  # read once: its own thread goes on meanwhile
        return None if began is None else {"state": "connecting", **held, "held_seconds": now - began}


def stack_of(frame: FrameType | None) -> Stack:
    """Return who calls whom, from this frame on."""
    # Not `traceback`, which costs ten times as much, on every use; nor `f_lineno`, which has to look for it. Code and
    # numbers keep no variable alive.
    found: list[tuple[CodeType, int]] = []
    while frame is not None and len(found) < FRAMES:
        found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return found
