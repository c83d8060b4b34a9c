"""Who may run, in which order, and how many at once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest

from serving import turns as module
from serving.turns import CROWDED_SECONDS, FEWEST, FREE_SECONDS, KEPT_SECONDS, Turns
from testkit.waiting import eventually


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def wait_in_line(turns: Turns, pool: ThreadPoolExecutor, name: str, done: list[str]) -> None:
    """Have a thread wait for a turn, which then writes its name down and gives it back."""

    def run() -> None:
        turns.take()
        done.append(name)
        turns.give()

    before = len(turns._line)
    pool.submit(run)
    assert eventually(lambda: len(turns._line) > before)


def test_threads_have_their_turn_in_order(pool: ThreadPoolExecutor) -> None:
    turns, done = Turns(2, Mock()), list[str]()
    turns.take()
    turns.take()
    for name in "abcd":
        wait_in_line(turns, pool, name, done)
    assert done == []

    turns.give()

    assert eventually(lambda: len(done) == 4)
    assert done == list("abcd")


def test_a_thread_is_called_for_work_while_there_are_turns_and_once_at_a_time() -> None:
    call = Mock()
    turns = Turns(2, call)

    turns.ask("a")
    turns.ask("b")
    assert call.call_count == 1
    assert turns.arrive() == "a"
    assert call.call_count == 2
    assert turns.arrive() == "b"
    turns.ask("c")

    assert call.call_count == 2, "who has a turn goes on with it"
    assert turns.next() == "c"
    assert turns.next() is None
    assert turns.next() is None
    assert turns.arrive() is None
    assert turns._free == 2


def test_work_and_threads_have_their_turn_in_the_order_in_which_they_came(pool: ThreadPoolExecutor) -> None:
    turns, done = Turns(1, Mock()), list[str]()
    turns.ask("first")
    assert turns.arrive() == "first"
    turns.ask("a")
    wait_in_line(turns, pool, "b", done)
    turns.ask("c")

    assert turns.next() == "a"
    assert done == []
    assert turns.next() is None, "a thread is next in line"

    assert eventually(lambda: done == ["b"])
    assert turns.arrive() == "c"


def test_who_waits_for_something_else_lets_work_be_done(pool: ThreadPoolExecutor) -> None:
    call = Mock()
    turns = Turns(1, call)
    turns.take()
    turns.ask("work")
    assert not call.called

    turns.give()

    assert call.called
    assert turns.arrive() == "work"


def test_who_waits_has_the_turn_that_one_leaves_over_who_goes_on_with_work(pool: ThreadPoolExecutor) -> None:
    call, done = Mock(), list[str]()
    turns = Turns(2, call)
    turns._have(1)
    turns.take()
    turns.ask("work")
    wait_in_line(turns, pool, "a", done)
    turns._have(2)
    assert call.called, "but it takes a while until a thread is there"

    assert turns.next() == "work"

    assert eventually(lambda: done == ["a"])
    assert turns.arrive() is None


def test_a_thread_that_cannot_be_called_is_called_again() -> None:
    call = Mock(side_effect=[False, True, True])
    turns = Turns(2, call)

    turns.ask("a")
    turns.ask("b")
    turns.ask("c")

    assert call.call_count == 2
    assert turns.arrive() == "a"
    assert call.call_count == 3, "for the next one"


def test_turns_that_last_are_kept_from_nobody(pool: ThreadPoolExecutor) -> None:
    turns, over, done = Turns(2, Mock()), threading.Event(), list[str]()

    def last() -> None:
        turns.take()
        over.wait(20)
        turns.give()

    for _ in range(2):
        pool.submit(last)
    assert eventually(lambda: turns._free == 0)
    for name in "abcd":
        wait_in_line(turns, pool, name, done)

    turns._count_no_more()
    assert turns._free == 0, "they may have begun just before"
    turns._count_no_more()

    assert eventually(lambda: sorted(done) == list("abcd"))
    assert eventually(lambda: turns._free == 2)
    turns._count_no_more()
    assert turns._free == 2, "each is counted no more once"
    over.set()
    assert eventually(lambda: not turns._begun)
    assert turns._free == 2


def test_whoever_goes_on_with_work_has_a_turn_that_begins(pool: ThreadPoolExecutor) -> None:
    turns = Turns(1, Mock())
    turns.ask("a")
    assert turns.arrive() == "a"
    for work in "bc":
        turns._count_no_more()
        turns.ask(work)
        assert turns.next() == work
    turns._count_no_more()

    assert turns._free == 0


@pytest.mark.parametrize(
    ("waited", "most"),
    [
        (FREE_SECONDS / 2, 6),
        (CROWDED_SECONDS * 2, 3),
        ((FREE_SECONDS + CROWDED_SECONDS) / 2, 4),
        (KEPT_SECONDS * 1.1, 6),
    ],
    ids=["free", "crowded", "neither", "kept by one who computes"],
)
def test_there_are_more_where_the_interpreter_is_free_and_fewer_where_it_is_not(
    monkeypatch: pytest.MonkeyPatch, waited: float, most: int
) -> None:
    turns = Turns(16, Mock())
    turns._have(4)
    monkeypatch.setattr(module, "monotonic", Mock(side_effect=[5.0, 5.0 + waited]))

    turns.look()

    assert turns.most == turns._free == most


@pytest.mark.parametrize(
    ("threads", "waited", "bound"), [(16, 0.0, 16), (16, 0.001, FEWEST), (1, 0.0, 1), (1, 0.001, 1)]
)
def test_there_is_a_bound_to_both(monkeypatch: pytest.MonkeyPatch, threads: int, waited: float, bound: int) -> None:
    turns = Turns(threads, Mock())
    monkeypatch.setattr(module, "monotonic", Mock(side_effect=[0.0, waited] * 20))

    for _ in range(20):
        turns.look()

    assert turns.most == bound


def test_more_turns_are_had_by_those_who_wait_and_fewer_take_nobody_s(pool: ThreadPoolExecutor) -> None:
    call, done = Mock(), list[str]()
    turns = Turns(4, call)
    for _ in range(4):
        turns.take()
    wait_in_line(turns, pool, "a", done)

    turns._have(3)
    turns.give()
    assert done == []
    turns.give()
    assert eventually(lambda: done == ["a"])
    turns.take()
    turns.ask("b")
    assert not call.called
    turns._have(4)

    assert call.called
    assert turns.arrive() == "b"


def test_among_many_no_work_is_lost_none_is_done_twice_and_no_more_run_than_may() -> None:
    """Threads that wait in between, as those do that stay with a client, and a number that changes all the time."""
    dice, lock, done = random.Random(1), threading.Lock(), Counter[int]()
    running, too_many = [0], list[int]()

    def run(change: int) -> None:
        with lock:
            running[0] += change
            if running[0] > 8:
                too_many.append(running[0])

    def serve() -> None:
        work = turns.arrive()
        while work is not None:
            run(1)
            with lock:
                done[work] += 1
            run(-1)
            if work % 3 == 0:
                turns.give()
                turns.take()
            work = turns.next()

    with ThreadPoolExecutor(8) as pool:
        turns = Turns(8, lambda: bool(pool.submit(serve)))
        for number in range(1, 5001):
            turns.ask(number)
            if number % 50 == 0:
                turns._have(dice.randint(2, 8))
        assert eventually(lambda: len(done) == 5000)
    assert set(done.values()) == {1}
    assert too_many == []
    assert turns._free == turns.most


def test_for_one_who_computes_nobody_else_has_to_wait(pool: ThreadPoolExecutor) -> None:
    """Really, not by the clock: whoever asks for the interpreter's lock waits long, and not since they are many."""
    turns, over = Turns(8, Mock()), threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(100_000))

    pool.submit(compute)
    try:
        for _ in range(30):
            turns.look()
    finally:
        over.set()

    assert turns.most > FEWEST


def test_threads_that_run_only_python_are_soon_few(pool: ThreadPoolExecutor) -> None:
    """Really, not by the clock: eight want the interpreter again and again, and then nobody does."""
    turns, over = Turns(8, Mock()), threading.Event()

    def compute() -> Any:
        while not over.is_set():
            sum(range(8_000))
            time.sleep(0)

    def most() -> int:
        turns.look()
        return turns.most

    for _ in range(8):
        pool.submit(compute)
    try:
        assert eventually(lambda: most() == FEWEST)
    finally:
        over.set()
    assert eventually(lambda: most() > FEWEST)
