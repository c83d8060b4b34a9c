"""What the breaker does when the database cannot be reached, with a clock of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from steadypool.core.breaker import MOST_KNOCKS, OPEN_AFTER_SECONDS, Breaker
from steadypool.core.deadline import Account, Deadline
from steadypool.core.errors import DatabaseDownError
from steadypool.core.knock import (
    HELD,
    PATIENCE_SECONDS,
    PAUSE_SECONDS,
    QUICK_SECONDS,
    SLOWEST_SECONDS,
    Knock,
    held_seconds,
    spacing_seconds,
)
from testkit.waiting import eventually


class Database:
    """A database that can be down, a clock, and a breaker that looks at both."""

    def __init__(self) -> None:
        self.now, self.is_down, self.is_silent = 100.0, False, False
        self.probed, self.patience = 0, 0.0
        self.pauses: list[float] = []
        self.arrives = True
        self.is_frozen, self.thawed = False, threading.Event()
        """Whether it lets everybody connect and says nothing."""
        self._go = threading.Semaphore(0)
        self.breaker = Breaker(clock=lambda: self.now, rest=self._rest)
        self.breaker.probe = self._probe

    def _probe(self, knock: Knock) -> None:
        self.probed += 1
        self.patience = knock.patience
        knock.has_arrived = lambda: self.arrives
        if self.is_frozen:
            assert self.thawed.wait(10)
        if self.is_silent:
            self.now += knock.seconds
        if self.is_down:
            raise ConnectionRefusedError("down")

    def _rest(self, seconds: float, _: Sequence[Knock]) -> None:
        self.pauses.append(seconds)
        self._go.acquire()

    def next_probe(self, after: float) -> None:
        """Let time pass, and the probe that waits for it happen."""
        wanted, self.now = self.probed + 1, self.now + after
        self._go.release()
        assert_soon(lambda: self.probed >= wanted and (len(self.pauses) >= wanted or self.breaker.state == "closed"))

    def be_asked(self, times: int) -> None:
        """Be suspected, and have so many probes or attempts at one happen."""
        self.breaker.trip("a connect was cut")
        for number in range(1, times):
            self.wait_for_pauses(number)
            self._go.release()
        self.wait_for_pauses(times)

    def wait_for_pauses(self, number: int) -> None:
        assert_soon(lambda: len(self.pauses) == number)

    def fail(self) -> None:
        """Be down, and have somebody notice."""
        self.is_down = True
        self.breaker.trip("connection refused")
        assert_soon(lambda: len(self.pauses) == 1)

    def begin(self) -> Deadline:
        return Deadline(self.now, self.now + 3, Account())


def assert_soon(condition: Callable[[], bool]) -> None:
    assert eventually(condition), "it did not come to that"


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database()
    yield made
    made.breaker.retire()
    made._go.release(1000)


def test_one_probe_at_a_time_however_many_fail(database: Database) -> None:
    database.fail()
    for _ in range(10):
        database.breaker.trip("connection refused")

    assert (database.breaker.state, database.probed) == ("half-open", 1)


def test_who_is_under_way_waits_for_the_probe_and_goes_on(database: Database) -> None:
    database.fail()
    waited: list[bool] = []

    def wait() -> None:
        database.breaker.wait(5)
        waited.append(True)

    thread = threading.Thread(target=wait)
    thread.start()

    database.is_down = False
    database.next_probe(after=0.02)

    thread.join(5)
    assert waited == [True]


def test_who_is_under_way_waits_no_longer_than_their_time(database: Database) -> None:
    database.fail()

    with pytest.raises(DatabaseDownError, match=r"within 0\.1 s"):
        database.breaker.wait(0.1)


def test_after_half_a_second_it_opens_and_refuses_who_comes(database: Database) -> None:
    before = database.begin()
    database.fail()
    database.breaker.admit(database.begin())  # not yet: suspicion is no reason

    database.next_probe(after=OPEN_AFTER_SECONDS)

    assert database.breaker.state == "open"
    with pytest.raises(DatabaseDownError, match="no connection could be made for"):
        database.breaker.admit(database.begin())
    with pytest.raises(DatabaseDownError):
        database.breaker.admit(None)
    database.breaker.admit(before)  # who came earlier may wait


def test_it_closes_with_the_first_probe_that_succeeds_and_can_open_again(database: Database) -> None:
    database.fail()
    database.next_probe(after=OPEN_AFTER_SECONDS)
    database.is_down = False

    database.next_probe(after=PAUSE_SECONDS[1])

    database.breaker.admit(database.begin())
    database.breaker.wait(0)
    database.pauses.clear()
    database.fail()
    assert database.breaker.state == "half-open"


def test_pauses_double_up_to_a_limit_that_keeps_recovery_below_a_second(database: Database) -> None:
    database.fail()
    for _ in range(8):
        database.next_probe(after=1)

    shortest, longest = PAUSE_SECONDS
    assert all(shortest / 2 <= pause <= longest for pause in database.pauses)
    assert all(longest / 2 <= pause for pause in database.pauses[-3:])
    assert longest + database.patience < 1


@pytest.mark.parametrize(("seconds", "patience"), [((0.8,), 1.6), ((2.9, 0.01), PATIENCE_SECONDS)])
def test_a_probe_has_the_patience_that_connecting_was_last_seen_to_need(
    database: Database, seconds: tuple[float, ...], patience: float
) -> None:
    for took in seconds:
        database.breaker.connected(took)

    database.fail()

    assert database.patience == pytest.approx(patience)


def test_without_a_thread_to_probe_it_stays_closed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        database.breaker.trip("connection refused")

    assert database.breaker.state == "closed"
    database.breaker.wait(0)
    database.fail()
    assert (database.breaker.state, database.probed) == ("half-open", 1)


def test_only_silence_speaks_against_connections_that_are_there(database: Database) -> None:
    database.fail()
    assert not database.breaker.silent  # it was refused: something answers

    database.is_silent = True
    database.next_probe(after=1)
    assert database.breaker.silent

    database.is_silent = database.is_down = False
    database.next_probe(after=1)
    assert not database.breaker.silent


def test_a_server_that_is_slower_than_ever_is_waited_for(database: Database) -> None:
    database.is_frozen = True
    database.breaker.trip("a connect was cut")
    assert_soon(lambda: len(database.pauses) == 1)
    assert database.breaker.silent

    database.thawed.set()
    database._go.release()

    assert_soon(lambda: database.breaker.state == "closed")
    assert database.probed <= 2


@pytest.fixture
def frozen_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """One that keeps every probe waiting; nobody has the patience to wait for one."""
    monkeypatch.setattr("steadypool.core.breaker.PATIENCE_SECONDS", 0.01)
    database.is_frozen = True
    yield database
    database.thawed.set()


def test_a_frozen_server_is_asked_ever_more_rarely(frozen_database: Database) -> None:
    frozen_database.be_asked(HELD + 3)

    pauses = frozen_database.pauses
    assert all(pause <= PAUSE_SECONDS[1] for pause in pauses[: HELD - 1])
    assert pauses[HELD - 1 :] == pytest.approx([spacing - QUICK_SECONDS for spacing in (1.4, 2.8, 5.6, 11.2)])


def test_probes_that_nobody_can_end_do_not_pile_up(frozen_database: Database) -> None:
    """A creator of somebody's own, which waits for ever; it has reached nobody as far as we know."""
    frozen_database.arrives = False

    frozen_database.be_asked(MOST_KNOCKS + 2)

    assert frozen_database.probed == MOST_KNOCKS


@pytest.mark.parametrize(("seconds", "most"), [(5, 0), (10, 3), (30, 5), (60, 6), (300, 10), (3600, 65)])
def test_so_many_probes_a_frozen_server_finds_interrupted(seconds: float, most: int) -> None:
    """Each counts for MySQL's `max_connect_errors`, 100 by default, for all pools of a host together."""
    began, ended = 0.0, 0
    for number in range(200):
        ended += began + held_seconds(number) <= seconds
        began += spacing_seconds(number)

    assert ended <= most
    assert max(map(spacing_seconds, range(200))) == SLOWEST_SECONDS
    assert sum(map(spacing_seconds, range(HELD))) > 5  # so long it is asked as often as ever


def test_retired_it_probes_no_more_and_lets_go_of_who_waits(database: Database) -> None:
    database.fail()
    thread = threading.Thread(target=database.breaker.wait, args=(60,))
    thread.start()

    database.breaker.retire()
    thread.join(5)
    database._go.release()

    assert not thread.is_alive()
    assert database.probed == 1
