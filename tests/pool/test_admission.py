"""Who may take a connection: in order, bounded, and no permit is ever lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest

from steadypool.core.admission import Gate
from steadypool.core.errors import PoolExhaustedError, QueueFullError


def eventually(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.001)


def enter(gate: Gate, seconds: float) -> object:
    """Take a permit, and return by whom it is held."""
    holder = object()
    try:
        gate.enter(holder, seconds)
    except PoolExhaustedError:
        gate.leave(holder)
        raise
    return holder


def queue_up(gate: Gate, name: int, served: list[int]) -> threading.Thread:
    """Start a thread that waits for a permit, and return when it stands in the queue."""
    before = gate.waiting

    def wait() -> None:
        holder = enter(gate, 10)
        served.append(name)
        gate.leave(holder)

    thread = threading.Thread(target=wait)
    thread.start()
    eventually(lambda: gate.waiting > before)
    return thread


def test_twenty_threads_are_served_in_the_order_in_which_they_came() -> None:
    gate, served = Gate(1, most_waiting=20), list[int]()
    holder = enter(gate, 0)
    threads = [queue_up(gate, name, served) for name in range(20)]

    gate.leave(holder)
    for thread in threads:
        thread.join(5)

    assert served == list(range(20))
    assert (gate.in_use, gate.waiting) == (0, 0)


def test_a_newcomer_does_not_overtake_who_waits() -> None:
    gate, served = Gate(1, most_waiting=5), list[int]()
    holder = enter(gate, 0)
    waiting = queue_up(gate, 1, served)

    gate.leave(holder)
    enter(gate, 5)  # the permit was handed over: this one has to wait its turn

    waiting.join(5)
    assert served == [1]


def test_one_more_than_may_wait_is_refused_at_once() -> None:
    gate, served = Gate(1, most_waiting=2), list[int]()
    holder = enter(gate, 0)
    threads = [queue_up(gate, name, served) for name in range(2)]

    began = time.monotonic()
    with pytest.raises(QueueFullError, match=r"all 1 connections are in use and 2 threads wait already"):
        enter(gate, 10)

    assert time.monotonic() - began < 0.1
    gate.leave(holder)
    for thread in threads:
        thread.join(5)


def test_nobody_waits_longer_than_their_time() -> None:
    gate = Gate(1, most_waiting=5)
    enter(gate, 0)

    began = time.monotonic()
    with pytest.raises(PoolExhaustedError, match=r"in use for 0\.20 s"):
        enter(gate, 0.2)

    assert 0.19 < time.monotonic() - began < 0.5
    assert (gate.waiting, gate.in_use) == (0, 1)


def test_with_no_time_left_a_free_permit_is_taken_nevertheless() -> None:
    gate = Gate(1, most_waiting=0)

    enter(gate, -1)

    assert gate.in_use == 1


def give_up(gate: Gate) -> None:
    with pytest.raises(PoolExhaustedError):
        enter(gate, 0.05)


def test_who_gives_up_is_not_served_in_the_place_of_the_next() -> None:
    gate, served = Gate(1, most_waiting=5), list[int]()
    holder = enter(gate, 0)
    impatient = threading.Thread(target=give_up, args=(gate,))
    impatient.start()
    eventually(lambda: gate.waiting == 1)
    patient = queue_up(gate, 1, served)
    impatient.join(5)

    gate.leave(holder)
    patient.join(5)

    assert served == [1]


def test_no_permit_is_lost_or_made_by_threads_that_give_up_at_the_last_moment() -> None:
    gate = Gate(3, most_waiting=100)
    most = gave_up = 0

    def come_and_go(seed: int) -> None:
        nonlocal most, gave_up
        dice = random.Random(seed)
        for _ in range(500):
            try:
                holder = enter(gate, dice.choice([0, 0.0005, 0.001]))
            except PoolExhaustedError:
                gave_up += 1
                continue
            most = max(most, gate.in_use)
            if dice.random() < 0.2:
                time.sleep(0.0005)  # so that others' time runs out just when this one leaves
            gate.leave(holder)

    threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert gave_up > 0, "nobody gave up: the test shows nothing"
    assert most <= 3
    assert (gate.in_use, gate.waiting) == (0, 0)
