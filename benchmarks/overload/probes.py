"""Asks what has to answer throughout, as an orchestrator does: on a new connection each, again and again."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

EVERY_SECONDS, LIMIT_SECONDS = 0.5, 1.0


class Probed:
    """How often each path was asked, and how often it did not say 200 in time."""

    def __init__(self) -> None:
        self.asked, self.missed = dict[str, int](), dict[str, int]()

    def note(self, path: str, in_time: bool) -> None:
        """Count one; each path has a thread of its own."""
        self.asked[path] = self.asked.get(path, 0) + 1
        self.missed[path] = self.missed.get(path, 0) + (not in_time)


@contextmanager
def probing(port: int, paths: Mapping[str, Mapping[str, str]]) -> Iterator[Probed]:
    """Ask for these paths during the block, with these headers; the result is complete after it."""
    seen, over = Probed(), threading.Event()
    threads = [
        threading.Thread(target=_go_on, args=(port, path, headers, seen, over), daemon=True)
        for path, headers in paths.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _go_on(port: int, path: str, headers: Mapping[str, str], seen: Probed, over: threading.Event) -> None:
    due = time.monotonic()
    while not over.is_set():
        seen.note(path, answers_in_time(port, path, headers))
        due = max(due + EVERY_SECONDS, time.monotonic())
        over.wait(due - time.monotonic())


def answers_in_time(port: int, path: str, headers: Mapping[str, str], limit: float = LIMIT_SECONDS) -> bool:
    """Tell whether a path says 200, all of it within the limit."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit)
    began = time.monotonic()
    try:
        connection.request("GET", path, headers={**headers, "Connection": "close"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return answer.status == 200 and time.monotonic() - began <= limit
