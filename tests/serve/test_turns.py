"""Who may run, in which order, and how many at once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest

from serving import turns as module
from serving.turns import CROWDED_SECONDS, FEWEST, FREE_SECONDS, KEPT_SECONDS, MANY, Turns
from testkit.waiting import eventually


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture
def threads() -> Iterator[list[ThreadPoolExecutor]]:
    """A few threads, each of which does what it is told to."""
    threads = [ThreadPoolExecutor(1) for _ in range(4)]
    yield threads
    for each in threads:
        each.shutdown()


def has(thread: ThreadPoolExecutor, call: Callable[[], Any]) -> Any:
    """Return what a thread has from a call."""
    return thread.submit(call).result(20)


def take_and_say(turns: Turns, name: str, done: list[str]) -> None:
    turns.take()
    done.append(name)


def wait_in_line(turns: Turns, pool: ThreadPoolExecutor, name: str, done: list[str]) -> None:
    """Have a thread wait for a turn, which then writes its name down and gives it back."""

    def run() -> None:
        take_and_say(turns, name, done)
        turns.give()

    before = len(turns._line)
    pool.submit(run)
    assert eventually(lambda: len(turns._line) > before)


def test_threads_have_their_turn_in_order(pool: ThreadPoolExecutor) -> None:
    turns, done = Turns(1, Mock()), list[str]()
    turns.take()
    for name in "abcd":
        wait_in_line(turns, pool, name, done)
    assert done == []

    turns.give()

    assert eventually(lambda: len(done) == 4)
    assert done == list("abcd")


def test_a_thread_is_called_for_work_while_there_are_turns_and_goes_on_with_it(
    threads: list[ThreadPoolExecutor],
) -> None:
    call = Mock()
    turns = Turns(2, call)
    one, two, late, _ = threads

    turns.ask("a")
    assert call.call_count == 1
    turns.ask("b")
    assert call.call_count == 2
    turns.ask("c")
    assert call.call_count == 2, "there are two turns"
    assert has(one, turns.arrive) == "a"
    assert has(one, turns.next) == "b", "who is there need not wait for who was called"
    assert has(two, turns.arrive) == "c"

    assert has(one, turns.next) is None
    assert has(two, turns.next) is None
    assert has(late, turns.arrive) is None, "a thread may come that nobody counts on"
    assert (turns._free, turns._inside, turns._called) == (2, 0, 0)


def test_work_and_threads_take_turns(pool: ThreadPoolExecutor, threads: list[ThreadPoolExecutor]) -> None:
    call = Mock()
    turns, done = Turns(4, call), list[str]()
    turns._have(1)
    one, two, *_ = threads
    turns.ask("first")
    assert has(one, turns.arrive) == "first"
    for name in "ab":
        wait_in_line(turns, pool, name, done)
    turns.ask("second")
    turns.ask("third")
    assert (call.call_count, done) == (1, [])

    assert has(one, turns.next) is None, "the first in line is next"

    assert eventually(lambda: call.call_count == 2), "and then work is"
    assert done == ["a"]
    assert has(two, turns.arrive) == "second"
    assert has(two, turns.next) is None
    assert eventually(lambda: done == ["a", "b"])
    assert eventually(lambda: call.call_count == 3)


def test_who_is_in_line_has_a_turn_where_nobody_is_left_for_the_work_before_him(
    pool: ThreadPoolExecutor, threads: list[ThreadPoolExecutor]
) -> None:
    """He sees that somebody waits, leaves whoever he stayed with, and does it."""
    turns, done = Turns(2, Mock()), list[str]()
    one, two, *_ = threads
    for thread in (one, two):
        turns.ask("first")
        assert has(thread, turns.arrive) == "first"
    turns._have(1)
    has(two, turns.give)
    two.submit(take_and_say, turns, "two", done)
    assert eventually(lambda: bool(turns._line))
    turns.ask("second")
    assert done == []

    turns._have(2)

    assert eventually(lambda: done == ["two"])
    assert has(two, turns.next) == "second"
    has(one, turns.next)


def test_a_turn_that_was_given_up_is_not_taken_back_from_whoever_was_called_for_it(
    threads: list[ThreadPoolExecutor],
) -> None:
    turns, done = Turns(2, Mock()), list[str]()
    turns._have(1)
    one, two, *_ = threads
    turns.ask("first")
    assert has(one, turns.arrive) == "first"
    turns.ask("second")

    has(one, turns.give)  # for a moment
    one.submit(take_and_say, turns, "one", done)

    assert eventually(lambda: bool(turns._line))
    assert has(two, turns.arrive) == "second"
    assert done == []
    assert has(two, turns.next) is None
    assert eventually(lambda: done == ["one"])


def test_who_waits_for_something_else_lets_work_be_done(pool: ThreadPoolExecutor) -> None:
    call = Mock()
    turns = Turns(1, call)
    turns.take()
    turns.ask("work")
    assert not call.called

    turns.give()

    assert call.called
    assert turns.arrive() == "work"


def test_who_waits_has_the_turn_that_one_leaves_over_who_goes_on_with_work(
    pool: ThreadPoolExecutor, threads: list[ThreadPoolExecutor]
) -> None:
    turns, done = Turns(2, Mock()), list[str]()
    turns._have(1)
    one, late, *_ = threads
    turns.ask("first")
    assert has(one, turns.arrive) == "first"
    turns.ask("second")
    wait_in_line(turns, pool, "a", done)
    turns._have(2)  # somebody is called, but it takes a while until he is there

    assert has(one, turns.next) is None, "the first in line is next"

    assert eventually(lambda: done == ["a"])
    assert has(late, turns.arrive) == "second"


def test_a_thread_that_cannot_be_called_is_called_again(threads: list[ThreadPoolExecutor]) -> None:
    call = Mock(side_effect=[False, True])
    turns = Turns(2, call)

    turns.ask("a")
    assert (turns._free, turns._called) == (2, 0)
    turns._count_no_more()

    assert call.call_count == 2
    assert has(threads[0], turns.arrive) == "a"


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


def test_a_crowd_on_a_slow_machine_is_not_taken_for_one_who_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(16, Mock())
    monkeypatch.setattr(module, "monotonic", Mock(side_effect=[0.0, KEPT_SECONDS * 1.1] * 20))

    for _ in range(20):
        turns.look()

    assert turns.most <= MANY + 1


@pytest.mark.parametrize(
    ("threads", "waited", "bound"), [(16, 0.0, 16), (16, 0.001, FEWEST), (1, 0.0, 1), (1, 0.001, 1)]
)
def test_there_is_a_bound_to_both(monkeypatch: pytest.MonkeyPatch, threads: int, waited: float, bound: int) -> None:
    turns = Turns(threads, Mock())
    monkeypatch.setattr(module, "monotonic", Mock(side_effect=[0.0, waited] * 20))

    for _ in range(20):
        turns.look()

    assert turns.most == bound


def test_more_turns_are_had_by_those_who_wait_and_fewer_take_nobody_s(
    pool: ThreadPoolExecutor, threads: list[ThreadPoolExecutor]
) -> None:
    call, done = Mock(), list[str]()
    turns = Turns(4, call)
    for thread in threads:
        has(thread, turns.take)
    wait_in_line(turns, pool, "a", done)

    turns._have(3)
    has(threads[0], turns.give)
    assert done == []
    has(threads[1], turns.give)
    assert eventually(lambda: done == ["a"])
    has(threads[1], turns.take)
    turns.ask("b")
    assert not call.called
    turns._have(4)

    assert call.called
    assert has(threads[0], turns.arrive) == "b"


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
