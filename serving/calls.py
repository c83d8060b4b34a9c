"""What threads have the loop of their worker call."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from gunicorn.workers.gthread import PollableMethodQueue


class Calls(PollableMethodQueue):  # type: ignore[misc] # it has no types
    """Calls for a loop, which is woken up for them only if it sleeps; the pipe stays open to the end of the process."""

    is_awaited = False
    """Whether the loop sleeps, or is about to; only then it has to be woken up."""

    def defer(self, callback: Callable[..., object], *arguments: object) -> None:
        """Have the loop call it, soon."""
        self._queue.put(partial(callback, *arguments))
        if self.is_awaited:
            self.is_awaited = False
            with suppress(OSError):  # the pipe is full: it wakes up anyhow
                os.write(self._write_fd, b"\0")

    def run_callbacks(self, _fileobj: object, max_callbacks: int = 50) -> None:
        """Have been woken up; what is to be called is called in each round."""
        with suppress(OSError):  # others have read it
            os.read(self._read_fd, max_callbacks)

    def has_calls(self) -> bool:
        """Tell whether something is to be called."""
        return not self._queue.empty()

    def call(self, most: int = 50) -> None:
        """Call what is there, no more than so much: others wait for the loop, too."""
        for _ in range(min(most, self._queue.qsize())):
            self._queue.get_nowait()()

    def close(self) -> None:
        """Close nothing: whoever is still busy would write into what has its number by then, such as a connection."""
