"""How far the server that is read from is behind: the time from asking the primary for its position to its being there.

Nobody needs a right for that which readers do not have, and it counts the network as well. Two statements each time,
and one more for each further look at a replica that is behind.
"""

from threading import Event
from time import monotonic

import structlog
from sqlalchemy import Engine

from steadypool import SteadyPool, deadline, has_reached, position_of, start_thread

EVERY_SECONDS = 5.0
BOUND_SECONDS = 1.0

log = structlog.stdlib.get_logger(__name__)


class Lag:
    """Looks now and then, in a thread of its own; `seconds` is None while nobody knows.

    While the replica is not there they grow with each look.
    """

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._reader, self._writer = reader, writer
        self._position, self._asked = "", 0.0
        self.seconds: float | None = None
        self.is_level = False
        """Whether the last look found the replica as far as the primary had been."""

    def start(self, over: Event) -> None:
        """Look until it is over, if reads go to a server that may be behind."""
        pool = self._reader.pool
        if isinstance(pool, SteadyPool) and pool.policy.catch_up_seconds:
            start_thread("lag", self._go_on, over)

    @property
    def pause_seconds(self) -> float:
        """Until the next look: short where one is behind, or what is a second would be told as five."""
        behind = self.seconds is not None and not self.is_level
        return min((self.seconds or 0) / 4, EVERY_SECONDS) if behind else EVERY_SECONDS

    def look(self) -> None:
        """Ask once; one that is away is for others to tell of."""
        try:
            with deadline.within(BOUND_SECONDS):
                self._look()
        except Exception as error:
            log.debug("the lag could not be measured", error=str(error))
            self._position, self.seconds, self.is_level = "", None, False

    def _look(self) -> None:
        if not self._position:
            asked = monotonic()
            with self._writer.connect() as connection:
                self._position, self._asked = position_of(connection), asked
        with self._reader.connect() as connection:
            self.is_level = bool(self._position) and has_reached(connection, self._position)
        self.seconds = monotonic() - self._asked if self._position else None
        if self.is_level:
            self._position = ""

    def _go_on(self, over: Event) -> None:
        while not over.wait(self.pause_seconds):
            self.look()
