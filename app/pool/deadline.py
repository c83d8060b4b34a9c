"""One deadline for all that a request asks of its databases: waiting, connecting, pinging, querying, trying again."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a request began and when it must be answered, on the monotonic clock."""

    started: float
    ends: float

    @property
    def left(self) -> float:
        """Seconds until it ends, 0 once it has."""
        return max(0.0, self.ends - monotonic())


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def current() -> Deadline | None:
    """Return the deadline of what this thread is doing, None outside of a request."""
    return _current.get()


def seconds_for(step: float) -> float:
    """Return how long a step may take: what it is given, or what is left of the deadline if that is less."""
    deadline = current()
    return step if deadline is None else min(step, deadline.left)


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Give all that happens inside a deadline; one inside another can only be nearer."""
    outer, now = current(), monotonic()
    deadline = Deadline(now, min(now + seconds, outer.ends) if outer else now + seconds)
    token = _current.set(deadline)
    try:
        yield deadline
    finally:
        _current.reset(token)
