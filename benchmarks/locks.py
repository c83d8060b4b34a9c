"""Locks that count how often they are taken. Imports nothing that makes locks of its own."""

import sys
import threading
from collections import Counter
from typing import Any


class CountingLock:
    """A lock that counts how often the thread that made it takes it; the housekeeping does so as well."""

    def __init__(self, lock: Any, name: str, taken: Counter[str]) -> None:
        self._lock, self._name, self._taken, self._thread = lock, name, taken, threading.get_ident()

    def acquire(self, *how: Any, **more: Any) -> Any:
        """Count, and take it."""
        self._count()
        return self._lock.acquire(*how, **more)

    def _count(self) -> None:
        self._taken[self._name] += threading.get_ident() == self._thread

    def __enter__(self) -> Any:
        self._count()
        return self._lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)


def count_all_made_from_now_on() -> Counter[str]:
    """Stand in for `threading.Lock` and `RLock`; return how often this thread takes them, by file and line."""
    taken: Counter[str] = Counter()

    for name in ("Lock", "RLock"):
        setattr(threading, name, _Making(getattr(threading, name), taken))
    return taken


class _Making:
    """Makes counting locks. No function: as an attribute of a class that would become a method."""

    def __init__(self, make: Any, taken: Counter[str]) -> None:
        self._make, self._taken = make, taken

    def __call__(self) -> CountingLock:
        caller = sys._getframe(1)
        return CountingLock(self._make(), f"{caller.f_code.co_filename}:{caller.f_lineno}", self._taken)
