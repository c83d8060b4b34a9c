"""What was cut on our side is ended at the server, too: by one thread at a time, on a connection of its own."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from steadypool.core.breaker import Breaker
from steadypool.core.knock import Knock
from steadypool.core.roster import Roster

SECONDS = 1.0
"""How long one try may take, its connect included."""
TRIES, PAUSE_SECONDS = 3, 0.2
"""Behind a proxy that spreads connections over several servers the next one may lead to the right one."""

log = logging.getLogger(__name__)


class Endings:
    """Has the server end what was cut; the housekeeping of one pool calls.

    It takes no permit and keeps nobody waiting. It begins once the breaker is closed, or somebody has been answered
    since the cut: of a server that is frozen only probes want something. What is not ended is counted.
    """

    attempt: Callable[[Knock, list[Any]], None] | None = None
    """Has the server end what it does in these sessions, and takes out those that are over; raises if it cannot."""

    def __init__(self, slots: Roster[Any], breaker: Breaker) -> None:
        self._slots, self._breaker = slots, breaker
        self._left: list[Any] = []
        self._try: Knock | None = None
        self._tries = 0
        self._since = self._next_try = 0.0

    def go(self, now: float) -> None:
        """Begin a try, or see what has become of it."""
        if self._try is not None:
            self._try.end_if_due(now)
            if not self._try.is_over:
                return
            self._learn_from(self._try, now)
        if not self._left:
            self._left, self._since = self._slots.take_orphans(), now
        if (attempt := self.attempt) is None or not self._left or now < self._next_try:
            return
        if self._breaker.state == "closed" or self._breaker.answered > self._since:
            left, self._tries = self._left, self._tries + 1
            self._try = Knock(
                lambda knock: attempt(knock, left), SECONDS, SECONDS, monotonic, lambda: None, "database-ending"
            )

    def _learn_from(self, over: Knock, now: float) -> None:
        self._try = None
        if self._left and self._tries < TRIES:
            self._next_try = now + PAUSE_SECONDS
            return
        if self._left:
            why = over.error or "it could not be proven that they are ours"
            log.warning("%d statements that were cut may go on at the server: %s", len(self._left), why)
            self._slots.note_orphaned(len(self._left))
        self._left, self._tries = [], 0
