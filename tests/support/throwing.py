"""Exceptions out of nowhere: thrown into threads that use a pool, at random instants, or at the n-th line of a file."""

from __future__ import annotations

import ctypes
import gc
import linecache
import logging
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from sqlalchemy import Engine, bindparam, literal, select

from steadypool import Lookup, deadline, in_transaction, read
from testkit.waiting import eventually

HOUSEKEEPING_SECONDS = 8.0
"""The housekeeping looks twice, a second apart; on a machine with other things to do."""

LONGEST_SECONDS = 20.0
"""For which exceptions are thrown, at the most."""


class Thrown(BaseException):
    """What nobody expects."""


_starting: set[int] = set()
"""Threads that just start another one. Until that runs, CPython takes it for the one that starts it: what is thrown
kills it at birth, and `Thread.start` waits for ever."""


def throw_into(thread: int) -> None:
    """Have a thread meet an exception at the next instant."""
    if thread not in _starting:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Thrown))


@contextmanager
def _births_protected() -> Iterator[None]:
    start = threading.Thread.start

    def start_in_peace(self: threading.Thread) -> None:
        here = threading.get_ident()
        _starting.add(here)
        try:
            start(self)
        finally:
            _starting.discard(here)

    threading.Thread.start = start_in_peace  # type: ignore[method-assign] # for the length of a test
    try:
        yield
    finally:
        threading.Thread.start = start  # type: ignore[method-assign] # for the length of a test


class Users:
    """Threads that ask an engine for numbers of their own, on every way there is, whatever is thrown at them."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine, self._dice = engine, random.Random(seed)
        self.right, self.wrong, self.met = 0, list[Any](), 0
        self.errors: list[str] = []
        self.is_over = False
        self._lookup = Lookup(select(bindparam("nonce", type_=literal(1).type).label("nonce")))

    def ask_once(self) -> None:
        """Ask one thing, and compare the answer."""
        asked = secrets.randbelow(10**9)
        try:
            with deadline.within(5):
                told = random.choice(WAYS)(self, asked)
        except Exception as error:  # what was thrown may come out as anything
            self.errors.append(repr(error))
            return
        if told == asked:
            self.right += 1
        else:
            self.wrong.append((asked, told))

    def by_lookup(self, asked: int) -> Any:
        return self._lookup.fetch(self.engine, nonce=asked)[0][0]

    def by_reading(self, asked: int) -> Any:
        return read(self.engine, lambda connection: connection.scalar(select(literal(asked))))

    def by_connection(self, asked: int) -> Any:
        with self.engine.connect() as connection:
            return connection.scalar(select(literal(asked)))

    def in_unit(self, asked: int) -> Any:
        return in_transaction(self.engine, lambda connection: connection.scalar(select(literal(asked))))

    def go_on(self) -> None:
        """Ask until it is over. Three deep, for exceptions come while others are being dealt with."""
        while not self.is_over:
            with suppress(Thrown):
                while not self.is_over:
                    with suppress(Thrown):
                        while not self.is_over:
                            try:
                                self.ask_once()
                            except Thrown:
                                self.met += 1

    def throw(self, threads: list[threading.Thread], times: int) -> None:
        """Throw exceptions until so many were met; one in four comes right after another."""
        end = time.monotonic() + LONGEST_SECONDS
        while self.met < times and time.monotonic() < end:
            target = self._dice.choice(threads).ident
            assert target is not None
            throw_into(target)
            if self._dice.random() < 0.25:
                _spin(self._dice.uniform(0, 0.0002))
                throw_into(target)
            _spin(self._dice.uniform(0, 0.004))


WAYS = [Users.by_lookup, Users.by_reading, Users.by_connection, Users.in_unit]


@contextmanager
def _quiet() -> Iterator[None]:
    """Pass over those that come in finalizers, which Python has to swallow, and have nothing logged.

    A log would keep the exceptions. And `logging` itself does not survive them: a thread that meets one in
    `_acquireLock` keeps that lock for good. Each logger knows by heart that it is off, and does not ask for it.
    """
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    logging.disable()
    for logger in [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]:
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logger.isEnabledFor(level)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        sys.unraisablehook = before


@_quiet()
@_births_protected()
def storm(engine: Engine, *, threads: int, times: int, seed: int) -> Users:
    """Throw exceptions into threads that use an engine; return what they met."""
    users = Users(engine, seed)
    running = [threading.Thread(target=users.go_on, daemon=True) for _ in range(threads)]
    for thread in running:
        thread.start()
    users.throw(running, times)
    users.is_over = True
    for thread in running:
        thread.join(30)
        assert not thread.is_alive(), "a thread is stuck"
    return users


@_quiet()
def storm_of_signals(engine: Engine, *, times: int, seed: int) -> Users:
    """Have the main thread use an engine while signals raise exceptions in it, as Ctrl-C does."""
    users, dice = Users(engine, seed), random.Random(seed)

    def handle(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code is Users.ask_once.__code__:  # not in what is around it, the tests' own machinery
                raise Thrown
            frame = frame.f_back

    def press() -> None:
        end = time.monotonic() + LONGEST_SECONDS
        while users.met < times and time.monotonic() < end and not users.is_over:
            time.sleep(dice.uniform(0, 0.004))
            os.kill(os.getpid(), signal.SIGINT)
        users.is_over = True

    presser = threading.Thread(target=press)
    before = signal.signal(signal.SIGINT, handle)
    try:
        presser.start()
        users.go_on()
    finally:
        users.is_over = True
        presser.join()
        signal.signal(signal.SIGINT, before)
    return users


def assert_all_is_back(engine: Engine, size: int, count_open: Callable[[], int]) -> None:
    """After the housekeeping each permit and connection is in its place, and `size` can be lent at once."""
    pool: Any = engine.pool

    def is_back() -> bool:
        gc.collect()
        seen = pool.snapshot()
        return (seen["in_use"], seen["pending"], count_open()) == (0, 0, seen["idle"])

    assert eventually(is_back, seconds=HOUSEKEEPING_SECONDS), (pool.status(), count_open(), pool.slots.out())
    assert not pool.slots.out()
    with deadline.within(10):
        lent = [engine.connect() for _ in range(size)]
        assert pool.snapshot()["in_use"] == size
        for connection in lent:
            connection.close()


@contextmanager
def thrown_at_line(files: tuple[str, ...], *steps: int) -> Iterator[list[str]]:
    """Raise at the n-th line that this thread executes in these files, and again so many lines later; yield where."""
    where: list[str] = []
    left = list(steps)

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not left or not frame.f_code.co_filename.endswith(files):
            return None
        if event == "line" and not _leaves_a_block(frame):
            left[0] -= 1
            if left[0] <= 0:
                left.pop(0)
                where.append(f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}")
                raise Thrown
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield where
    finally:
        sys.settrace(before)


def _leaves_a_block(frame: FrameType) -> bool:
    """Tell whether this line is a `with`: Python shows it again on the way out, and what a trace function raises there
    comes after the block's protection, so that its lock is kept for good (python/cpython#74174). What is really thrown
    from outside comes at calls, which are inside.
    """
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with ")


def _spin(seconds: float) -> None:
    """Wait for less than sleeping takes at least, and let others run."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0)
