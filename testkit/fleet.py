"""Servers that a session shares: each is started once, in the background, and stopped at the end."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

K = TypeVar("K")
S = TypeVar("S")


class Fleet(Generic[K, S]):
    """`start` makes the server of a name, or raises; `stop` ends it."""

    def __init__(self, start: Callable[[K], S], stop: Callable[[S], None], most: int, threads: str) -> None:
        self._start, self._stop = start, stop
        # The threads live as long as the session: the kernel ends a server with the *thread* that started it.
        self._threads = ThreadPoolExecutor(most, threads)
        self._servers: dict[K, Future[S]] = {}
        atexit.register(self.stop)

    def begin(self, name: K) -> None:
        """Start one, unless it was started."""
        if name not in self._servers:
            self._servers[name] = self._threads.submit(self._start, name)

    def get(self, name: K) -> S:
        """Return one as soon as it is there; raise what its start raised."""
        self.begin(name)
        return self._servers[name].result()

    def wait(self) -> None:
        """Return when each has started or failed.

        Around every test pytest puts a name into os.environ and takes it out, and Docker's client, in another thread,
        reads the whole of it: now and then it met a name that was there no more.
        """
        wait(self._servers.values())

    def stop(self) -> None:
        """End all that were started."""
        # Popped one by one: a second call (at exit, after Ctrl-C in the first) goes on where the first was stopped.
        while self._servers:
            _, server = self._servers.popitem()
            if not server.cancel() and not server.exception():
                self._stop(server.result())
        self._threads.shutdown()
