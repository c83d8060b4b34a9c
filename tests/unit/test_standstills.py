"""What the machine takes for itself is not held against an answer; what others take is."""

from __future__ import annotations

import ctypes
import time

from testkit.clients import Question, Request
from testkit.inside import Clients
from testkit.standstills import Standstills


def stand_still(seconds: float) -> None:
    """Let no other thread of Python run: this call keeps the interpreter's lock."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


def test_only_a_standstill_is_taken_off() -> None:
    standstills = Standstills()

    with standstills.noted():
        time.sleep(0.3)
        began = time.monotonic()
        stand_still(0.3)
        ended = time.monotonic()
        time.sleep(0.1)

    assert standstills.within(began, ended) > 0.2
    assert standstills.within(began - 0.2, began - 0.1) < 0.05
    assert standstills.within(ended - 0.1, ended + 5) < 0.25


def test_the_slowest_answer_is_what_the_application_made_of_it() -> None:
    clients = Clients.__new__(Clients)
    clients.standstills = Standstills()
    clients.standstills._seen = [(10.5, 11.5), (13.0, 20.0)]
    clients.requests = [Request(Question("/"), began, ended) for began, ended in [(10.0, 12.0), (10.0, 10.7)]]

    assert clients.slowest == 1.0
