"""What the housekeeping does for one pool in each of its rounds."""

from collections.abc import Callable
from typing import Generic, TypeVar

from steadypool.core import leaks
from steadypool.core.breaker import Breaker
from steadypool.core.connection import Connection, Use
from steadypool.core.endings import Endings
from steadypool.core.policy import PoolPolicy
from steadypool.core.slots import Slots
from steadypool.core.stats import CloseReason

C = TypeVar("C", bound=Connection)

TIDY_EVERY_SECONDS = 1.0


class Rounds(Generic[C]):
    """Cuts what is overdue, here and at the server, tells of leaks and, once a second, evicts what is not needed.

    `close` ends an idle connection. `settle` takes back what a use still has, and tells whether it had anything.
    """

    def __init__(
        self,
        slots: Slots[C],
        breaker: Breaker,
        policy: PoolPolicy,
        close: Callable[[C, CloseReason], None],
        settle: Callable[[Use, CloseReason], bool],
    ) -> None:
        self._slots, self._breaker, self._policy = slots, breaker, policy
        self._close, self._settle = close, settle
        self.endings = Endings(slots, breaker)
        self._forsaken: set[Use] = set()
        self._next_tidy = 0.0

    def go(self, now: float, longest_call: float, *, keeps: bool = True) -> None:
        """Look at everything once; a call that is under no deadline may take so many seconds."""
        self._breaker.end_overdue(now)
        if self._slots.cut_overdue(now, longest_call):
            self._breaker.trip("a call was cut at its deadline")
        self.endings.go(now)
        for use in self._slots.write_off(now):
            leaks.report_written_off(use)
        self._slots.count()
        if self._policy.leak_seconds:
            reported = [leaks.report(use, now, self._policy.leak_seconds) for use in self._slots.uses()]
            if any(reported):
                leaks.look_for_circles()
        if now >= self._next_tidy:
            self.tidy(now, keeps=keeps)

    def tidy(self, now: float, *, keeps: bool) -> None:
        """Evict what nobody needs, and take back what nobody can release any more.

        That takes two looks: the garbage collector may just do it.
        """
        self._next_tidy = now + TIDY_EVERY_SECONDS

        def why(idle: C, more: bool) -> CloseReason | None:
            return idle.why_unneeded(now, more) or (None if keeps else "disposed")

        for connection, reason in self._slots.evict(why):
            self._close(connection, reason)
        forsaken = {use for use in self._slots.uses() if use.is_forsaken}
        for use in forsaken & self._forsaken:
            if self._settle(use, "dropped"):
                self._slots.note_dropped(use)
        self._forsaken = forsaken
        self._slots.serve()
