"""When the machine stood still: what it takes for itself is not held against an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Standstills:
    """When a thread that only sleeps came late: the machine was busy with others, or stood still."""

    BLINK_SECONDS = 0.01
    NOTED_SECONDS = 0.05

    def __init__(self) -> None:
        self._seen: list[tuple[float, float]] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Look out for them during the block."""
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=(over,), name="standstills", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def within(self, began: float, ended: float) -> float:
        """Return how many seconds between these two the machine took for itself."""
        return sum(max(0.0, min(end, ended) - max(begin, began)) for begin, end in self._seen)

    def _look(self, over: threading.Event) -> None:
        while not over.is_set():
            due = time.monotonic() + self.BLINK_SECONDS
            time.sleep(self.BLINK_SECONDS)
            if (now := time.monotonic()) - due > self.NOTED_SECONDS:
                self._seen.append((due, now))
