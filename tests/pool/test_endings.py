"""What was cut is ended by one try at a time, for half a minute; what is left after that is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf

import pytest

from steadypool.core.breaker import Breaker
from steadypool.core.connection import Connection, Hand, Use
from steadypool.core.deadline import Account, Deadline
from steadypool.core.endings import GIVE_UP_SECONDS, PAUSE_SECONDS, SECONDS, Endings
from steadypool.core.knock import Knock
from steadypool.core.slots import Slots
from steadypool.core.stats import Stats
from testkit.waiting import eventually


class Bench:
    """A pool of connections to nowhere, and a server that does as a test says."""

    def __init__(self) -> None:
        self.stats, self.breaker, self.now = Stats(), Breaker(), time.monotonic()
        self.slots: Slots[Connection] = Slots(
            lambda: Connection(self.stats), self.stats, permits=8, kept=8, most_pending=0
        )
        self.endings = Endings(self.slots, self.breaker)
        self.asked: list[list[str]] = []
        self.serve: Callable[[Knock, list[str]], None] = lambda _, sessions: sessions.clear()
        self.endings.attempt = self.attempt

    def attempt(self, knock: Knock, sessions: list[str]) -> None:
        self.asked.append(list(sessions))
        self.serve(knock, sessions)

    def cut(self, session: str | None, *, in_call: bool = True, committing: bool = False) -> None:
        """Have a use be overdue."""
        use = Use(self.now, Deadline(self.now, self.now, Account()), Hand())
        taken = self.slots.take(use, 0, first=True)
        taken.made(inf)
        taken.session, use.committing = session, committing
        use.call_began = self.now if in_call else None
        self.slots.cut_overdue(self.now, inf)
        self.slots.leave(taken, use)

    def go(self, seconds: float = 0.0) -> None:
        """Let time pass and the housekeeping come, and wait for what that has begun."""
        self.now += seconds
        self.endings.go(self.now)
        assert eventually(lambda: self.endings._try is None or self.endings._try.is_over)

    @property
    def orphaned(self) -> int:
        return self.stats.events["orphaned"]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_was_cut_is_ended_at_once_all_of_it_in_one_try(bench: Bench) -> None:
    bench.cut("a")
    bench.cut("b")

    bench.go()
    bench.go()

    assert bench.asked == [["a", "b"]]
    assert bench.orphaned == 0


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_left_is_tried_again_and_then_counted(
    bench: Bench, caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    def serve(_: Knock, sessions: list[str]) -> None:
        if "a" in sessions:
            sessions.remove("a")
        if fails:
            raise OSError("full")

    bench.serve = serve
    bench.cut("a")
    bench.cut("b")

    bench.go()
    bench.go(PAUSE_SECONDS[0] / 2)
    assert len(bench.asked) == 1, "too soon"
    bench.go(PAUSE_SECONDS[0])
    assert bench.asked == [["a", "b"], ["b"]]
    bench.go(PAUSE_SECONDS[0])
    assert len(bench.asked) == 2, "the pauses grow"
    assert bench.orphaned == 0
    for _ in range(3):
        bench.go(GIVE_UP_SECONDS)

    assert bench.asked == [["a", "b"], ["b"], ["b"]]
    assert bench.orphaned == 1
    (said,) = caplog.messages
    assert said.startswith("1 statements that were cut may go on at the server: ")
    assert said.endswith("full" if fails else "ours")


def test_the_next_ones_have_their_own_time(bench: Bench) -> None:
    bench.serve = lambda *_: None
    bench.cut("a")
    bench.go()
    bench.cut("b")
    bench.go(GIVE_UP_SECONDS)
    bench.go(PAUSE_SECONDS[1])
    bench.go(PAUSE_SECONDS[1])

    assert bench.asked[:2] == [["a"], ["b"]]
    assert bench.orphaned == 1


def test_one_try_at_a_time_which_is_ended_when_it_is_silent(bench: Bench) -> None:
    is_cut = threading.Event()

    class Silent:
        def is_quiet(self) -> bool:
            return True

        def cut(self) -> bool:
            is_cut.set()
            return False

        def close(self) -> None:
            pass

    def serve(knock: Knock, _: list[str]) -> None:
        knock.note_wire(Silent())
        assert is_cut.wait(10)
        raise OSError("cut")

    bench.serve = serve
    bench.cut("a")
    bench.endings.go(bench.now)
    assert eventually(lambda: bench.endings._try is not None and bench.endings._try.wire is not None)
    bench.cut("b")
    bench.endings.go(bench.now)

    assert bench.asked == [["a"]]
    assert not is_cut.is_set()
    bench.go(2 * SECONDS)
    assert is_cut.is_set()


def test_nobody_is_asked_while_the_database_is_away(bench: Bench) -> None:
    bench.breaker.state = "half-open"
    bench.cut("a")

    bench.go(10)
    bench.go(10)
    assert bench.asked == []
    bench.breaker.answered = bench.now  # and another cut has made it half-open since
    bench.go()

    assert bench.asked == [["a"]]


def test_what_nobody_can_be_asked_about_is_counted_at_once(bench: Bench) -> None:
    bench.cut(None)

    bench.go()

    assert bench.asked == []
    assert bench.orphaned == 1


@pytest.mark.parametrize("what", [{"committing": True}, {"in_call": False}])
def test_a_commit_and_what_does_nothing_are_left_alone(bench: Bench, what: dict[str, bool]) -> None:
    bench.cut("a", **what)
    bench.cut(None, **what)

    bench.go()

    assert bench.asked == []
    assert bench.orphaned == 0
