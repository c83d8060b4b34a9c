"""A connection that takes longer than it may, or whose maker is interrupted, is closed by whoever has it."""

from __future__ import annotations

import _thread
import concurrent.futures
import ctypes
import threading
import time
from collections.abc import Callable

import pytest

from steadypool.drivers import opening
from steadypool.drivers.opening import connect_seconds, in_time
from testkit.waiting import eventually


class Made:
    """A connection of no driver."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def after(seconds: float, made: Made) -> Callable[[], Made]:
    def connect() -> Made:
        time.sleep(seconds)
        return made

    return connect


def test_what_comes_in_time_is_had_and_what_comes_too_late_is_closed() -> None:
    made, late = Made(), Made()

    assert in_time(after(0, made), Made.close, 5) is made
    with pytest.raises(TimeoutError, match=r"within 0\.1 s"):
        in_time(after(0.2, late), Made.close, 0.1)

    assert eventually(lambda: late.is_closed)
    assert not made.is_closed


def test_what_comes_between_the_last_moment_and_giving_up_is_had(monkeypatch: pytest.MonkeyPatch) -> None:
    made, late = Made(), threading.Event()

    class Future(concurrent.futures.Future[Made]):
        def cancel(self) -> bool:
            late.set()
            assert eventually(self.done)
            return super().cancel()

    monkeypatch.setattr(opening, "Future", Future)

    assert in_time(lambda: (late.wait(5), made)[1], Made.close, 0.05) is made


class Interrupt(BaseException):
    """Comes from outside, like Ctrl-C."""


@pytest.mark.parametrize(("takes", "patience"), [(0.3, 5), (0.6, 0.3)])
def test_whoever_is_interrupted_while_waiting_leaves_nothing_behind(takes: float, patience: float) -> None:
    made, me = Made(), threading.get_ident()
    threading.Timer(
        0.1, lambda: ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(me), ctypes.py_object(Interrupt))
    ).start()

    with pytest.raises(Interrupt):
        in_time(after(takes, made), Made.close, patience)

    assert eventually(lambda: made.is_closed)


def test_an_error_of_the_driver_is_that_error() -> None:
    def connect() -> Made:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        in_time(connect, Made.close, 1)


def test_without_a_thread_it_is_as_if_nobody_could_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(_thread, "start_new_thread", start)
        with pytest.raises(OSError, match="can't start new thread"):
            in_time(Made, Made.close, 1)


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ({}, 3),
        ({"connect_timeout": "7"}, 7),
        ({"connection_timeout": 8}, 8),
        ({"connect_timeout": 0}, 35),
        ({"connect_timeout": "soon"}, 3),
    ],
)
def test_a_connect_may_take_as_long_as_its_driver_is_told(arguments: dict[str, object], seconds: float) -> None:
    assert connect_seconds(arguments) == seconds
