"""What was cut on our side is ended at the server, too: by one thread at a time, on a connection of its own."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from steadypool.core.breaker import Breaker
from steadypool.core.knock import Knock
from steadypool.core.roster import Roster

SECONDS = 3.0
"""How long one try may take, its connect included: that is slow at a server that has too much to do, such as what was
cut."""
PAUSE_SECONDS = (0.2, 2.0)
"""The first pause after a try that left something, and the longest: it doubles. Behind a proxy that spreads connections
over several servers the next one may lead to the right one."""
GIVE_UP_SECONDS = 30.0

log = logging.getLogger(__name__)


class Orphan(NamedTuple):
    """A session in which the server may still be at what was cut."""

    session: Any
    since: float


class Endings:
    """Has the server end what was cut; the housekeeping of one pool calls.

    It takes no permit and keeps nobody waiting. It begins once the breaker is closed, or somebody has been answered
    since the cut: of a server that is frozen only probes want something. What is not ended is counted.
    """

    attempt: Callable[[Knock, list[Any]], None] | None = None
    """Has the server end what it does in these sessions, and takes out those that are over; raises if it cannot."""

    def __init__(self, slots: Roster[Any], breaker: Breaker) -> None:
        self._slots, self._breaker = slots, breaker
        self._waiting, self._asked = list[Orphan](), list[Orphan]()
        self._left: list[Any] = []
        self._try: Knock | None = None
        self._next_try, self._pause = 0.0, PAUSE_SECONDS[0]

    def go(self, now: float) -> None:
        """Begin a try, or see what has become of it."""
        if self._try is not None:
            self._try.end_if_due(now)
            if not self._try.is_over:
                return
            self._learn_from(self._try, now)
        if new := [Orphan(each, now) for each in self._slots.take_orphans()]:
            self._waiting += new
            self._next_try, self._pause = 0.0, PAUSE_SECONDS[0]
        if self.attempt is not None and self._waiting and now >= self._next_try:
            self._begin(self.attempt)

    def _begin(self, attempt: Callable[[Knock, list[Any]], None]) -> None:
        is_closed, answered = self._breaker.state == "closed", self._breaker.answered
        self._asked = [each for each in self._waiting if is_closed or answered > each.since]
        if self._asked:
            self._waiting = [each for each in self._waiting if each not in self._asked]
            left = self._left = [each.session for each in self._asked]
            self._try = Knock(
                lambda knock: attempt(knock, left), SECONDS, SECONDS, monotonic, lambda: None, "database-ending"
            )

    def _learn_from(self, over: Knock, now: float) -> None:
        self._try = None
        again = [each for each in self._asked if any(each.session is left for left in self._left)]
        lost = [each for each in again if now - each.since >= GIVE_UP_SECONDS]
        self._waiting += [each for each in again if each not in lost]
        self._next_try, self._pause = now + self._pause, min(2 * self._pause, PAUSE_SECONDS[1])
        if not again:
            self._next_try, self._pause = 0.0, PAUSE_SECONDS[0]
        if lost:
            why = over.error or "it could not be proven that they are ours"
            log.warning("%d statements that were cut may go on at the server: %s", len(lost), why)
            self._slots.note_orphaned(len(lost))
