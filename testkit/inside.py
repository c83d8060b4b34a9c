"""The load client inside the very process that it asks, where a standstill of the machine is one of both."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from testkit import clients
from testkit.clients import LONGEST_JOIN_SECONDS, Choice, Request, Way
from testkit.standstills import Standstills


class Clients(clients.Clients):
    """`number` clients; each asks again as soon as it has an answer, or after a pause."""

    def __init__(
        self, way: Callable[[], Way], choose: Choice, number: int, *, pause: float = 0.0, seed: int = 1
    ) -> None:
        super().__init__(way, pause=(pause, pause), seed=seed)
        self.number, self._choose = number, choose
        self.standstills = Standstills()

    @property
    def slowest(self) -> float:
        """The seconds of the slowest answer, without those for which the machine itself stood still."""
        took = (
            answer.seconds - self.standstills.within(answer.began, answer.began + answer.seconds)
            for answer in self.answers
        )
        return max(took, default=0.0)

    def _go_on(self, number: int, choose: Choice, over: threading.Event) -> None:
        # A tracer of lines takes a lock for each, so that what is measured would be how threads wait for that.
        sys.settrace(None)
        super()._go_on(number, choose, over)

    def run(self, seconds: float) -> Self:
        """Ask for so long, wait for the last answers, and return self."""
        with self.running():
            time.sleep(seconds)
        return self

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Ask during the block; at its end wait for the last answers. Threads that never got one are `stuck`."""
        with self.standstills.noted(), self.asking(self.number, self._choose):
            yield self

    def ask_once(self) -> list[Request]:
        """Let every client ask one thing, all at once; return the answers."""
        before = len(self.requests)
        self.stuck = self.begin(self.number, self._choose, once=True).wait(LONGEST_JOIN_SECONDS)
        return [request for request in self.requests[before:] if request.ended is not None]
