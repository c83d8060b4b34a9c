"""How a thread of ours is started: as a daemon, and knowing nothing of whoever started it."""

import _thread
from collections.abc import Callable
from contextvars import Context
from threading import Thread


def start_thread(name: str, work: Callable[..., object], *arguments: object) -> Thread:
    """Return a thread that works already; raise RuntimeError if there are no more.

    Where threads inherit their starter's context (Python 3.14 without GIL does so by itself), a deadline that has
    passed would pass on to whoever is to find out whether the database is back.
    """
    thread = Thread(target=Context().run, args=(work, *arguments), name=name, daemon=True)
    thread.start()
    return thread


def start_unawaited(work: Callable[[], object]) -> None:
    """Have a nameless thread work; raise RuntimeError if there are no more.

    `Thread.start` waits until the thread has begun. In CPython 3.11 an exception that is thrown into who starts it may
    end the new thread before that (its state has the other's number for a moment), and the wait has no end.
    """
    _thread.start_new_thread(Context().run, (work,))
