"""One connection and its uses: what is known of it, which states it goes through, and who may have it when."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any, TypeVar, get_args
from weakref import ref

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from steadypool.core.breaker import Breaker
from steadypool.core.connection import GRACE_SECONDS, IDLE_SECONDS, JITTER, Connection, ConnectionState, Hand, Use
from steadypool.core.deadline import Account, Deadline
from steadypool.core.errors import PoolExhaustedError, QueueFullError
from steadypool.core.rounds import Rounds
from steadypool.core.slots import Slots
from steadypool.core.stats import CloseReason, Stats
from tests.support.policies import POLICY
from tests.support.throwing import Thrown, thrown_at_line

T = TypeVar("T")
MODULES = ("connection", "deadline", "slots")
"""Where the clock is read."""


class Wire:
    """A wire on which nothing happens but what a test says."""

    is_cut = is_closed = False

    def __init__(self, *, quiet: bool = True) -> None:
        self.quiet = quiet

    def is_quiet(self) -> bool:
        return self.quiet

    def cut(self) -> bool:
        self.is_cut = True
        return False

    def close(self) -> None:
        self.is_closed = True


class Watched(Connection):
    """A connection to nowhere, which remembers its states."""

    dbapi_connection: Any = None
    answer: bool | BaseException = True

    def __init__(self, stats: Stats) -> None:
        self.changes: list[tuple[str, str]] = []
        self.pings = 0
        super().__init__(stats)

    def __setattr__(self, name: str, value: object) -> None:
        if name == "state" and (was := getattr(self, name, value)) != value:
            self.changes.append((str(was), str(value)))
        super().__setattr__(name, value)

    def answers(self) -> bool:
        self.pings += 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Clock:
    """The time that the pool sees."""

    now = 1000.0

    def put_into(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in MODULES:
            monkeypatch.setattr(f"steadypool.core.{module}.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.put_into(monkeypatch)
    return clock


@pytest.fixture
def hand() -> Iterator[Hand]:
    """Whoever acquires; alive until the test is over."""
    hand = Hand()
    yield hand
    assert hand


@pytest.fixture
def use(clock: Clock, hand: Hand) -> Use:
    """One that began a second ago, with ten more until its deadline."""
    return Use(clock.now - 1, Deadline(clock.now - 1, clock.now + 10, Account()), hand)


@pytest.fixture
def connection(clock: Clock) -> Watched:
    """One that was just made, for 100 seconds at the most."""
    made = Watched(Stats())
    made.note_wire(Wire())
    return made.made(100)


def account_of(use: Use) -> Account:
    assert use.deadline is not None
    return use.deadline.account


# ---- a use ----


def test_a_use_is_due_at_its_deadline_or_else_when_a_call_takes_too_long(clock: Clock, use: Use, hand: Hand) -> None:
    endless = Use(clock.now, None, hand)
    assert use.is_due(clock.now + 10, longest_call=5)
    assert not endless.is_due(inf, longest_call=5)

    use.call_began = clock.now - 100
    assert not use.is_due(clock.now + 9.9, longest_call=5)
    assert use.is_due(clock.now + 10, longest_call=5)
    endless.call_began = clock.now
    assert not endless.is_due(clock.now + 4.9, longest_call=5)
    assert endless.is_due(clock.now + 5, longest_call=5)


def test_a_use_is_overstayed_some_time_after_it_was_cut_and_once(clock: Clock, use: Use, hand: Hand) -> None:
    late = clock.now + 10 + GRACE_SECONDS
    endless = Use(clock.now, None, hand)
    use.granted = endless.granted = clock.now

    assert not use.is_overstayed(late), "nobody has cut it"
    use.was_cut = endless.was_cut = True
    assert not endless.is_overstayed(inf)
    use.granted = None
    assert not use.is_overstayed(inf), "it has got nothing yet"
    use.granted = clock.now
    assert use.is_overstayed(late)
    assert not use.is_overstayed(late - 0.01), "it may just come back"
    use.written_off = True
    assert not use.is_overstayed(late), "it was written off before"


def test_a_use_is_forsaken_when_whoever_asked_is_gone_or_its_proxy_once_there_is_one(use: Use) -> None:
    hand, proxy = Hand(), Hand()
    use.hand = ref(hand)
    assert not use.is_forsaken
    del hand
    assert use.is_forsaken

    use.proxy = ref(proxy)
    assert not use.is_forsaken, "the hand is empty once there is a proxy"
    del proxy
    assert use.is_forsaken


def test_a_call_is_on_the_account_once_and_a_ping_is_not_waited_for(clock: Clock, use: Use) -> None:
    use.call_began = clock.now
    clock.now += 0.25
    use.end_call()
    use.end_call()
    assert (use.busy, use.pinging) == (0.25, 0.25)

    use.granted = use.call_began = clock.now
    clock.now += 0.5
    use.end_call()

    assert (use.busy, use.pinging) == (0.75, 0.25)
    assert account_of(use) == Account(busy=0.75, commands=2)


def test_waiting_is_what_neither_connecting_nor_a_ping_took(clock: Clock, use: Use, hand: Hand) -> None:
    use.opening, use.pinging = 0.25, 0.125

    use.charge_wait(clock.now)
    Use(clock.now, None, hand).charge_wait(clock.now)  # without a deadline there is no account

    assert account_of(use) == Account(waited=0.625, connecting=0.25)


# ---- a connection ----


@pytest.mark.parametrize(
    ("recycle", "wait_timeout", "longest"),
    [
        (100, None, 100),
        (100, 28800.0, 100),
        (100, 60.0, 58),  # it is us who say goodbye
        (100, 3.0, 1.5),
        (inf, 10.0, 8),
        (0, None, 0),
    ],
)
def test_a_connections_life_is_shorter_than_the_server_waits_and_never_longer_than_told(
    clock: Clock, recycle: float, wait_timeout: float | None, longest: float
) -> None:
    lives = []
    for _ in range(200):
        connection = Watched(Stats())
        connection.wait_timeout = wait_timeout
        lives.append(connection.made(recycle).expires - clock.now)

    assert longest * (1 - JITTER) <= min(lives) <= max(lives) <= longest
    if longest:
        assert min(lives) < longest * (1 - JITTER / 2) < max(lives), "all that began together end together"


def test_what_is_made_is_counted_with_what_it_took(clock: Clock, use: Use) -> None:
    stats = Stats()
    connection = Watched(stats)
    connection.use, use.opening = use, 0.25

    assert connection.made(10) is connection

    seen = stats.snapshot(clock.now)
    assert (seen["opened"], seen["create_time"]["count"], seen["create_time"]["sum_seconds"]) == (1, 1, 0.25)
    assert (connection.state, connection.opened, connection.used) == ("in use", clock.now, clock.now)


def test_an_end_is_counted_once_and_lets_go_of_the_wire(clock: Clock, connection: Watched) -> None:
    clock.now += 3

    connection.end("expired")
    connection.end("error")

    assert connection.stats.closed == {"expired": 1}
    assert connection.wire is not None
    assert connection.wire.is_closed  # type: ignore[attr-defined] # the fake
    assert connection.stats.snapshot(clock.now + 10)["connection_seconds"] == pytest.approx(3)


@pytest.mark.parametrize("step", ["made", "end"])
def test_at_whatever_line_it_breaks_off_as_many_are_closed_as_were_opened(clock: Clock, step: str) -> None:
    files, line, where = ("core/connection.py", "core/stats.py"), 0, ["begun"]
    while where:
        line += 1
        connection = Watched(Stats())
        do = partial(connection.made, 10.0) if step == "made" else partial(connection.made(10.0).end, "stale")
        with thrown_at_line(files, line) as where, suppress(Thrown):
            do()

        connection.end("error")

        seen = connection.stats.snapshot(clock.now + 100)
        assert seen["opened"] == sum(seen["closed"].values()), where
        assert seen["connection_seconds"] == 0, where
    assert line > 5, "hardly a line was executed"


def test_another_wire_takes_the_place_of_the_first() -> None:
    connection, first, second = Watched(Stats()), Wire(), Wire()
    connection.note_wire(first)

    connection.note_wire(second)

    assert connection.wire is second
    assert (first.is_closed, second.is_closed) == (True, False)


def test_nothing_is_known_of_one_that_is_made_in_anothers_place(connection: Watched) -> None:
    connection.condemned, connection.wait_timeout, connection.uses = "invalidated", 8.0, 3
    connection.end("invalidated")

    connection.connecting()

    fresh = vars(Watched(connection.stats))
    for name in ("state", "wire", "uses", "opened", "used", "expires", "wait_timeout", "condemned"):
        assert getattr(connection, name) == fresh[name], name
    assert connection.why_over(1e9) is None


PING_AFTER = 10.0


@pytest.mark.parametrize(
    ("idle", "wire", "condemned", "answer", "reason", "pings"),
    [
        (1, Wire(), None, False, None, 0),
        (PING_AFTER, Wire(), None, False, None, 0),
        (PING_AFTER + 0.1, Wire(), None, True, None, 1),
        (PING_AFTER + 0.1, Wire(), None, False, "stale", 1),
        (1, Wire(quiet=False), None, True, "stale", 0),
        (PING_AFTER + 0.1, Wire(quiet=False), None, True, "stale", 0),
        (1, None, None, True, None, 1),  # nothing tells of it but a ping
        (1, None, None, False, "stale", 1),
        (100, Wire(), None, True, "expired", 0),
        (100, None, None, True, "expired", 0),
        (1, Wire(), "invalidated", True, "invalidated", 0),
        (100, Wire(), "invalidated", True, "invalidated", 0),
        (1, Wire(quiet=False), "error", True, "error", 0),
    ],
)
def test_why_an_idle_one_cannot_be_used(
    clock: Clock,
    use: Use,
    connection: Watched,
    idle: float,
    wire: Wire | None,
    condemned: Any,
    answer: bool,
    reason: str | None,
    pings: int,
) -> None:
    connection.wire, connection.condemned, connection.answer = wire, condemned, answer
    clock.now += idle

    assert connection.why_unfit(use, PING_AFTER) == reason

    assert connection.pings == pings
    assert account_of(use).commands == pings


def test_what_is_not_validated_is_used_however_it_looks_unless_its_life_is_over(use: Use, connection: Watched) -> None:
    connection.wire = Wire(quiet=False)

    assert connection.why_unfit(use, None) is None
    connection.condemned = "invalidated"
    assert connection.why_unfit(use, None) == "invalidated"
    connection.expires, connection.condemned = 0.0, None
    assert connection.why_unfit(use, None) == "expired"
    assert connection.pings == 0


def test_a_ping_is_watched_like_a_statement_and_counted_even_if_it_fails(
    clock: Clock, use: Use, connection: Watched
) -> None:
    began = clock.now = clock.now + PING_AFTER + 1
    seen: list[float | None] = []

    def answer_late() -> bool:
        seen.append(use.call_began)
        clock.now += 2
        raise OSError("of the driver")

    connection.answers = answer_late  # type: ignore[method-assign] # for this one
    with pytest.raises(OSError, match="of the driver"):
        connection.why_unfit(use, PING_AFTER)

    assert seen == [began]
    assert (use.call_began, use.pinging, account_of(use).busy) == (None, 2.0, 2.0)


@pytest.mark.parametrize(
    ("idle", "more", "quiet", "condemned", "reason"),
    [
        (1, True, True, None, None),
        (IDLE_SECONDS, True, True, None, None),
        (IDLE_SECONDS + 0.1, True, True, None, "idle"),
        (IDLE_SECONDS + 0.1, False, True, None, None),  # the last one
        (100, False, True, None, "expired"),
        (1, False, True, "invalidated", "invalidated"),
        (1, True, True, "invalidated", "invalidated"),
        (1, False, False, None, "stale"),
        (IDLE_SECONDS + 0.1, True, False, "invalidated", "stale"),
    ],
)
def test_why_an_idle_one_may_go(
    clock: Clock, connection: Watched, idle: float, more: bool, quiet: bool, condemned: Any, reason: str | None
) -> None:
    connection.note_wire(Wire(quiet=quiet))
    connection.condemned = condemned

    assert connection.why_unneeded(clock.now + idle, more) == reason


def test_one_without_a_socket_may_go_for_its_age_alone(connection: Watched) -> None:
    connection.wire = None

    assert connection.why_unneeded(connection.expires - 0.01, more=False) is None
    assert connection.why_unneeded(connection.expires, more=False) == "expired"


def test_of_one_that_is_being_made_nothing_is_told_until_the_driver_begins(clock: Clock, use: Use) -> None:
    connection = Watched(Stats())
    assert connection.seen(clock.now) is None
    connection.use = use
    assert connection.seen(clock.now) is None

    use.call_began, use.holder = clock.now, {"request_id": "7"}

    seen = connection.seen(clock.now + 2)
    assert seen == {"state": "connecting", "held_seconds": 2.0, "holder": {"request_id": "7"}}


def test_what_is_told_of_one_in_use_and_of_an_idle_one(clock: Clock, use: Use, connection: Watched) -> None:
    connection.use, connection.uses = use, 3
    times = {"age_seconds": 5.0, "idle_seconds": 5.0, "uses": 3}

    told = connection.seen(clock.now + 5)
    assert told == {"state": "in use", **times, "held_seconds": 0.0, "holder": {}}, "it is not granted yet"
    use.granted = clock.now + 1
    told = connection.seen(clock.now + 5)
    assert told == {"state": "in use", **times, "held_seconds": 4.0, "holder": {}}

    connection.use, connection.state = None, "idle"
    assert connection.seen(clock.now + 5) == {"state": "idle", **times}
    connection.end("error")
    assert connection.seen(clock.now + 5) is None


# ---- its states ----


def changes_in_the_docstring() -> list[tuple[str, str]]:
    """Return from which state to which a connection goes, by the table in its docstring."""
    lines = (Connection.__doc__ or "").splitlines()
    rules = [number for number, line in enumerate(lines) if line.strip().startswith("=")]
    cells = [re.split(r"  +", line.strip()) for line in lines[rules[1] + 1 : rules[2]]]
    return [(was, becomes) for was, becomes, *_ in cells]


CHANGES = changes_in_the_docstring()


def test_each_change_in_the_docstring_happens_and_no_other(use: Use) -> None:
    stats = Stats()
    slots = Slots(partial(Watched, stats), stats, permits=1, kept=1, most_pending=0)
    use.granted = 0.0

    connection = slots.take(use, 0)
    connection.made(inf)
    assert slots.give_back(connection, 0.0)
    assert slots.take(use, 0) is connection
    connection.end("error")
    connection.connecting()
    connection.end("error")
    connection.connecting()
    assert slots.give_back(connection.made(inf), 0.0)
    connection.end("idle")

    assert set(connection.changes) == set(CHANGES)
    assert len(CHANGES) == len(set(CHANGES))
    assert {state for change in CHANGES for state in change} == set(get_args(ConnectionState))


# ---- all at once ----


class Parked(BaseException):
    """Somebody stands in the queue: what they do next is another rule's."""


class Alarm:
    """The lock of somebody who waits: instead of waiting, they go away and stay in the queue."""

    def __init__(self) -> None:
        self._is_locked = False

    def acquire(self, timeout: float | None = None) -> bool:
        if timeout is not None and self._is_locked:
            if timeout > 0:
                raise Parked
            return False
        self._is_locked = True
        return True

    def release(self) -> None:
        assert self._is_locked, "woken twice"
        self._is_locked = False


@dataclass(eq=False)
class Holder:
    """Who asked for a connection; without a hand they will not do anything any more."""

    use: Use
    hand: Hand | None
    connection: Watched | None = None


class EverythingAtOnce(RuleBasedStateMachine):
    """What threads, housekeeping and server do, in any order."""

    PERMITS, KEPT, MOST_PENDING = 3, 2, 3
    LONGEST_CALL = 5.0
    LIVES = st.sampled_from([None, 0.5, 3.0])

    def __init__(self) -> None:
        super().__init__()
        self.monkeypatch, self.clock = pytest.MonkeyPatch(), Clock()
        self.clock.put_into(self.monkeypatch)
        self.monkeypatch.setattr("steadypool.core.slots.Lock", Alarm)
        self.monkeypatch.setattr("steadypool.core.connection.DICE", random.Random(1))
        self.stats = Stats()
        self.slots = Slots(self._make, self.stats, permits=self.PERMITS, kept=self.KEPT, most_pending=self.MOST_PENDING)
        self.made: list[Watched] = []
        self.waiting: list[Holder] = []
        self.holders: list[Holder] = []
        self.rounds = Rounds(self.slots, Breaker(), replace(POLICY, leak_seconds=0), self.evicted, self.taken_back)
        self.granted = self.in_use = 0
        self.permits, self.kept = self.PERMITS, self.KEPT
        self.is_closed = False

    def _make(self) -> Watched:
        self.made.append(Watched(self.stats))
        return self.made[-1]

    # -- what whoever acquires does --

    @initialize(lives=st.lists(LIVES, min_size=2, max_size=PERMITS))
    def begin(self, lives: list[float | None]) -> None:
        for life in lives:
            self.take(life)

    @rule(
        life=LIVES,
        fit=st.booleans(),
        fresh=st.booleans(),
        server=st.sampled_from(["answers", "answers late", "is full"]),
    )
    def take(self, life: float | None, fit: bool = True, fresh: bool = False, server: str = "answers") -> None:
        holder = self.a_holder(life)
        holder.use.fresh = fresh
        self.ask(holder, 0, fit=fit)
        for place, (other, _) in enumerate(self.some("connecting")):
            if other is holder and server == "answers":
                self.connect(place)
            elif other is holder and server == "is full":
                self.meet_a_full_server(place, 9.0)

    @precondition(lambda self: self.waiting or self.slots.in_use >= self.slots.limit)
    @rule(life=LIVES, times=st.integers(1, 2))
    def queue_up(self, life: float | None, times: int) -> None:
        for _ in range(times):
            self.ask(self.a_holder(life), 9)

    def a_holder(self, life: float | None) -> Holder:
        now, hand = self.clock.now, Hand()
        return Holder(Use(now, None if life is None else Deadline(now, now + life, Account()), hand), hand)

    def ask(self, holder: Holder, seconds: float, *, fit: bool = True, first: bool = False) -> None:
        may_be_refused = not first and len(self.waiting) >= self.MOST_PENDING
        try:
            taken = self.slots.take(holder.use, seconds, first=first)
        except Parked:
            self.waiting.insert(0 if first else len(self.waiting), holder)
            return
        except PoolExhaustedError as error:
            refused = isinstance(error, QueueFullError)
        else:
            assert not self.waiting, "it has overtaken who waits"
            self.get(holder, taken, fit=fit)
            return
        assert self.slots.in_use >= self.slots.limit
        deadline = holder.use.deadline
        is_over = seconds == 0 or (deadline is not None and deadline.is_over(self.clock.now))
        assert may_be_refused if refused else is_over
        assert self.slots.claim(holder.use) is None

    def get(self, holder: Holder, taken: Watched, *, fit: bool = True) -> None:
        holder.connection = taken
        self.holders.append(holder)
        if holder.hand is None:
            return
        if taken.state == "in use" and (holder.use.fresh or not fit):
            taken.end("replaced" if holder.use.fresh else "stale")
            taken = holder.connection = self.slots.exchange(taken, holder.use)
        if taken.state == "in use":
            self.grant(holder)
        else:
            assert taken.state == "connecting"
            holder.use.call_began = self.clock.now

    def grant(self, holder: Holder) -> None:
        assert holder.connection is not None
        use = holder.use
        use.granted, use.call_began = self.clock.now, None
        self.slots.took.append((self.clock.now - use.asked, None, 0.0))
        holder.connection.uses += 1
        self.granted += 1

    def some(self, *states: str) -> list[tuple[Holder, Watched]]:
        """Return who has one in these states, and will go on."""
        had = [(holder, holder.connection) for holder in self.holders if holder.hand is not None]
        return [(holder, each) for holder, each in had if each is not None and each.state in states]

    def go(self, holder: Holder) -> None:
        """The use is over."""
        if holder in self.holders:
            self.holders.remove(holder)
        if holder in self.waiting:
            self.waiting.remove(holder)

    @precondition(lambda self: self.some("connecting"))
    @rule(pick=st.integers(0, 9), recycle=st.sampled_from([2.0, inf]), wait_timeout=st.sampled_from([None, 3.0]))
    def connect(self, pick: int, recycle: float = inf, wait_timeout: float | None = None) -> None:
        holder, connection = one_of(self.some("connecting"), pick)
        connection.note_wire(Wire())
        connection.wait_timeout = wait_timeout
        connection.made(recycle)
        self.grant(holder)
        if self.slots.limit < self.slots.permits:
            self.slots.grow_to(self.slots.alive())

    @precondition(lambda self: self.some("connecting"))
    @rule(pick=st.integers(0, 9))
    def fail_to_connect(self, pick: int) -> None:
        holder, connection = one_of(self.some("connecting"), pick)
        self.settle(holder)
        assert connection.state == "closed"

    @precondition(lambda self: self.some("connecting"))
    @rule(pick=st.integers(0, 9), seconds=st.sampled_from([0.0, 9.0]))
    def meet_a_full_server(self, pick: int, seconds: float) -> None:
        holder, connection = one_of(self.some("connecting"), pick)
        self.slots.keep_to(max(1, self.slots.alive()))
        holder.use.fresh, holder.use.call_began = False, None
        connection.end("error")
        self.slots.give_up_turn(connection)
        self.go(holder)
        holder.connection = None
        self.let_in()
        self.ask(holder, seconds, first=True)

    @precondition(lambda self: self.some("in use"))
    @rule(pick=st.integers(0, 9))
    def release(self, pick: int) -> None:
        holder, connection = one_of(self.some("in use"), pick)
        kept, open_now = 0 if self.is_closed else self.kept, len(self.slots.idle) + self.slots.in_use
        is_kept = not holder.use.was_cut and len(self.slots.idle) < kept and open_now <= self.permits

        assert self.slots.give_back(connection, self.clock.now) is is_kept
        if not is_kept:
            connection.end("surplus")
            self.slots.leave(connection, holder.use)
        self.go(holder)

    @precondition(lambda self: self.some("in use"))
    @rule(pick=st.integers(0, 9), times=st.integers(1, 2))
    def release_a_bad_one(self, pick: int, times: int) -> None:
        holder, connection = one_of(self.some("in use"), pick)
        for _ in range(times):
            connection.end("error")
            self.slots.leave(connection, holder.use)
        self.go(holder)

    @precondition(lambda self: self.some("in use"))
    @rule(pick=st.integers(0, 9))
    def connect_again_in_its_place(self, pick: int) -> None:
        _, connection = one_of(self.some("in use"), pick)
        connection.end("error")
        connection.connecting()
        connection.made(inf)

    @precondition(lambda self: self.holders or self.waiting)
    @rule(pick=st.integers(0, 9))
    def meet_an_exception(self, pick: int) -> None:
        self.settle(one_of([*self.holders, *self.waiting], pick))

    def settle(self, holder: Holder) -> None:
        held = self.slots.claim(holder.use)
        assert held is holder.connection
        if held is not None:
            held.end("error")
            self.slots.leave(held, holder.use)
        self.go(holder)

    @precondition(lambda self: self.holders or self.waiting)
    @rule(pick=st.integers(0, 9))
    def forget(self, pick: int) -> None:
        one_of([*self.holders, *self.waiting], pick).hand = None

    # -- what the housekeeping does --

    @precondition(lambda self: self.holders)
    @rule(seconds=st.sampled_from([0.1, GRACE_SECONDS, 2.0]))
    def look_after_calls(self, seconds: float) -> None:
        now = self.clock.now = self.clock.now + seconds
        due = {holder.use for holder in self.holders if holder.use.is_due(now, self.LONGEST_CALL)}
        is_silent = any(use.call_began is not None and not use.was_cut and use.connection.wire for use in due)
        assert self.slots.cut_overdue(now, self.LONGEST_CALL) is is_silent
        assert all(use.was_cut for use in due)
        assert all(use.connection.wire is None or use.connection.wire.is_cut for use in due)

        late = {use for use in self.slots.uses() if use.is_overstayed(now)}
        assert set(self.slots.write_off(now)) == late
        assert all(use.written_off for use in late)

    @precondition(lambda self: self.holders or self.slots.idle)
    @rule(seconds=st.sampled_from([1.0, IDLE_SECONDS]))
    def tidy(self, seconds: float) -> None:
        now = self.clock.now = self.clock.now + seconds
        assert {use for use in self.slots.uses() if use.is_forsaken} == {
            holder.use for holder in self.holders if holder.hand is None
        }
        self.rounds.go(now, self.LONGEST_CALL)

    def evicted(self, connection: Watched, reason: CloseReason) -> None:
        assert connection.use is None
        connection.end(reason)

    def taken_back(self, use: Use, reason: CloseReason) -> bool:
        """Nobody can release it any more, and that was seen twice."""
        (holder,) = (each for each in self.holders if each.use is use)
        assert holder.hand is None
        assert reason == "dropped"
        self.settle(holder)
        return True

    @precondition(lambda self: self.slots.alive() > 1)
    @rule()
    def condemn(self) -> None:
        self.slots.condemn()
        there = [each for each in self.made if each.state in ("idle", "in use")]
        assert all(each.condemned for each in there)

    @rule(kept=st.integers(1, 3), overflow=st.integers(0, 2))
    def resize(self, kept: int, overflow: int) -> None:
        was_limited, before = self.slots.limit < self.permits, self.slots.limit
        self.permits, self.kept = kept + overflow, kept
        self.slots.resize(self.permits, kept)
        for each in self.slots.surplus():
            each.end("surplus")
        assert self.slots.limit == (min(before, self.permits) if was_limited else self.permits)
        assert not self.slots.idle or len(self.slots.idle) + self.slots.in_use <= self.permits

    @precondition(lambda self: self.slots.limit < self.permits)
    @rule(limit=st.integers(1, PERMITS))
    def grow(self, limit: int) -> None:
        before = self.slots.limit
        assert self.slots.grow_to(limit) is (max(limit, before) >= self.permits)
        assert self.slots.limit == min(max(limit, before), self.permits)

    @precondition(lambda self: not self.is_closed and len(self.made) > self.PERMITS)
    @rule()
    def close(self) -> None:
        self.is_closed = True
        for each in self.slots.close():
            each.end("disposed")

    # -- what is always so --

    def let_in(self) -> None:
        """Have those go on who were served, in their order."""
        while self.waiting and (given := self.waiting[0].use.connection) is not None:
            if given.use is not self.waiting[0].use:
                return
            self.get(self.waiting.pop(0), given)

    @invariant()
    def all_is_in_its_place(self) -> None:
        self.let_in()
        slots, out = self.slots, [holder.connection for holder in self.holders]
        assert len({id(each) for each in out}) == len(out), "one connection is in two uses"
        assert set(slots.out()) == set(out)
        assert all(holder.connection is not None and holder.connection.use is holder.use for holder in self.holders)
        assert {each.state for each in slots.out()} <= {"connecting", "in use"}
        assert slots.in_use == sum(not holder.use.written_off for holder in self.holders)

        assert {each.state for each in slots.idle} <= {"idle"}
        assert all(each.use is None for each in slots.idle)
        assert len(slots.idle) <= (0 if self.is_closed else self.kept)

        elsewhere = {*self.made} - {*slots.out(), *slots.idle}
        assert all((each.state, each.use) == ("closed", None) for each in elsewhere)
        assert all(each.wire is None or each.wire.is_closed for each in elsewhere)  # type: ignore[attr-defined] # the fake

    @invariant()
    def nobody_is_let_in_who_may_not_be_and_nobody_waits_who_may(self) -> None:
        self.let_in()
        slots, before = self.slots, self.in_use
        self.in_use = slots.in_use
        assert self.in_use <= max(before, self.permits)
        assert self.in_use <= max(before, slots.limit + 1)
        assert slots.pending == len(self.waiting)
        assert not self.waiting or self.in_use >= slots.limit
        assert not any(holder.use.connection and holder.use.connection.use is holder.use for holder in self.waiting)

    @invariant()
    def each_change_is_in_the_table(self) -> None:
        assert all(change in CHANGES for each in self.made for change in each.changes)

    @invariant()
    def all_is_counted(self) -> None:
        seen = self.slots.snapshot(self.clock.now)
        assert seen["acquired"] == self.granted
        assert seen["opened"] - sum(seen["closed"].values()) == self.slots.alive()
        assert seen["connection_seconds"] >= 0

    def teardown(self) -> None:
        """All is back once everybody has forgotten what they had."""
        try:
            for holder in (*self.holders, *self.waiting):
                holder.hand = None
            for _ in range(20):
                self.let_in()
                self.tidy(1.0)
            assert not self.holders
            assert (self.slots.in_use, self.slots.pending, self.slots.out()) == (0, 0, [])
            self.all_is_in_its_place()
            self.all_is_counted()
        finally:
            self.monkeypatch.undo()


def one_of(there: list[T], pick: int) -> T:
    return there[pick % len(there)]


TestEverythingAtOnce = EverythingAtOnce.TestCase
TestEverythingAtOnce.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)
