"""One deadline for all that a request asks of its databases: waiting, connecting, pinging, querying, trying again."""

from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple
from weakref import ReferenceType, ref


@dataclass(slots=True)
class Account:
    """Where the time of a request went, in seconds, and how many commands it sent; its own thread alone writes it."""

    waited: float = 0.0
    """Until it was its turn to have a connection."""
    connecting: float = 0.0
    busy: float = 0.0
    """In statements, pings, COMMIT and ROLLBACK."""
    commands: int = 0


class Deadline(NamedTuple):
    """When a request began and when it must be answered, on the monotonic clock, and what it spent the time on."""

    started: float
    ends: float
    account: Account
    block: "ReferenceType[within] | None" = None
    """The block that it is for. It may have ended and left the deadline here: it stood in a generator, of which several
    are run in turn, or an exception from outside kept it from taking the deadline along."""
    outer: "Deadline | None" = None
    """That of the block around it."""

    def is_over(self, now: float) -> bool:
        """Tell whether it had passed at that time."""
        return now >= self.ends

    @property
    def left(self) -> float:
        """Seconds until it ends, 0 once it has."""
        return max(0.0, self.ends - monotonic())


CURRENT: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def current() -> Deadline | None:
    """Return the deadline of what this thread is doing, None outside of a request."""
    deadline = CURRENT.get()
    while deadline is not None and deadline.block is not None:
        if (block := deadline.block()) is not None and not block.has_ended:
            break
        deadline = deadline.outer
    return deadline


def is_over() -> bool:
    """Tell whether the deadline of what this thread is doing has passed; where there is none, it never has."""
    deadline = current()
    return deadline is not None and deadline.is_over(monotonic())


def seconds_for(step: float) -> float:
    """Return how long a step may take: what it is given, or what is left of the deadline if that is less."""
    deadline = current()
    return step if deadline is None else min(step, deadline.left)


class within:  # noqa: N801 -- read as a word: `with within(3):`
    """Give all that happens inside a deadline; one inside another can only be nearer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.has_ended = False

    def __enter__(self) -> Deadline:
        outer, now = current(), monotonic()
        ends, account = now + self._seconds, Account()
        if outer is not None:
            ends, account = min(ends, outer.ends), outer.account
        deadline = Deadline(now, ends, account, ref(self), outer)
        self.has_ended = False
        CURRENT.set(deadline)
        return deadline

    def __exit__(self, *_: object) -> None:
        self.has_ended = True
        CURRENT.set(current())
