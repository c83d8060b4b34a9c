"""Who may have a connection, and which: in order, bounded, and neither a permit nor a connection is ever lost."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from types import FrameType
from typing import Any
from unittest.mock import Mock

import pytest

from steadypool.core.connection import Connection, Hand, Use
from steadypool.core.deadline import Account, Deadline
from steadypool.core.errors import PoolExhaustedError, QueueFullError
from steadypool.core.slots import GROW_AFTER_SECONDS, Slots
from steadypool.core.stats import CloseReason, Stats
from testkit.waiting import eventually
from tests.support.throwing import Thrown, thrown_at_line

FILES = ("steadypool/core/slots.py", "steadypool/core/roster.py")


class Made(Connection):
    """A connection to nowhere."""

    dbapi_connection: Any = None
    name = ""

    def answers(self) -> bool:
        return True


def slots_of(permits: int, *, kept: int = 8, most_pending: int = 20) -> Slots[Made]:
    stats = Stats()
    return Slots(lambda: Made(stats), stats, permits=permits, kept=kept, most_pending=most_pending)


def a_use(ends: float | None = None) -> Use:
    now = time.monotonic()
    return Use(now, None if ends is None else Deadline(now, ends, Account()), Hand())


def take(slots: Slots[Made], seconds: float = 0.0, use: Use | None = None) -> Made:
    """Take a connection, make it if need be, and have it granted."""
    use = use or a_use()
    try:
        taken = slots.take(use, seconds)
    except PoolExhaustedError:
        assert slots.claim(use) is None
        raise
    if taken.state == "connecting":
        taken.made(inf)
    assert (taken.state, taken.use) == ("in use", use)
    use.granted = time.monotonic()
    slots.took.append((use.granted - use.asked, None, 0.0))
    return taken


def use_of(connection: Made) -> Use:
    assert connection.use is not None
    return connection.use


def give_back(slots: Slots[Made], connection: Made) -> None:
    assert slots.give_back(connection, time.monotonic())


def close(slots: Slots[Made], connection: Made) -> None:
    use = use_of(connection)
    connection.end("error")
    slots.leave(connection, use)


def settle(slots: Slots[Made], use: Use) -> None:
    """Do what the pool does after an exception, and then its housekeeping."""
    held = slots.claim(use)
    if held is not None:
        held.end("error")
        slots.leave(held, use)
    slots.write_off(time.monotonic())
    slots.serve()


def filled(slots: Slots[Made], *names: str) -> Slots[Made]:
    """Have idle connections with these names, the last of which came last."""
    made = [take(slots) for _ in names]
    for each, name in zip(made, names, strict=True):
        each.name = name
        give_back(slots, each)
    return slots


def names_of(slots: Slots[Made], number: int) -> list[str]:
    """Take so many, and return their names in the order in which they came."""
    return [take(slots).name for _ in range(number)]


def assert_whole(slots: Slots[Made], held: list[Made], where: object = "") -> None:
    """Nobody but these holds one, all permits can be had, and no connection is given to two."""
    seen = {"in_use": slots.in_use, "pending": slots.pending, "out": len(slots.out())}
    assert seen == {"in_use": len(held), "pending": 0, "out": len(held)}, where
    assert not set(slots.idle) & set(slots.out()), where
    had = [*held, *(take(slots) for _ in range(slots.permits - len(held)))]
    assert len({id(each) for each in had}) == slots.permits, where
    with pytest.raises(PoolExhaustedError):
        take(slots)
    for each in had:
        close(slots, each)
    assert (slots.in_use, slots.out()) == (0, []), where


# ---- permits that are held ----


def test_a_newcomer_does_not_overtake_who_was_not_served_yet_though_a_permit_is_free() -> None:
    slots, waits = slots_of(2), a_use()
    take(slots)
    slots.keep_to(1)
    slots._grow_at = inf
    waiting = threading.Thread(target=slots.take, args=(waits, None), daemon=True)
    waiting.start()
    assert eventually(lambda: slots.pending == 1)
    slots.keep_to(2)

    with pytest.raises(PoolExhaustedError):
        take(slots)

    waiting.join(5)
    assert waits.connection in slots.out()


@pytest.mark.parametrize(("seconds", "deadline"), [(0.2, None), (10, 0.2)])
def test_nobody_waits_longer_than_their_time_nor_past_their_deadline(seconds: float, deadline: float | None) -> None:
    slots = slots_of(1)
    take(slots)

    began = time.monotonic()
    with pytest.raises(PoolExhaustedError, match=r"all 1 connections were in use for 0\.\d\d s"):
        take(slots, seconds, a_use(ends=deadline and began + deadline))

    assert time.monotonic() - began > 0.19
    assert (slots.pending, slots.in_use) == (0, 1)


def test_with_no_time_left_a_free_permit_is_taken_nevertheless() -> None:
    slots = slots_of(1, most_pending=0)

    take(slots, -1)

    assert slots.in_use == 1


def test_to_give_back_twice_does_no_harm() -> None:
    slots = slots_of(1)
    connection = take(slots)
    use = use_of(connection)

    give_back(slots, connection)
    assert not slots.give_back(connection, time.monotonic())
    slots.leave(connection, use)

    assert (slots.in_use, list(slots.idle), connection.state) == (0, [connection], "idle")


def test_to_leave_too_late_takes_nothing_from_who_has_it_by_now() -> None:
    slots = slots_of(1)
    connection = take(slots)
    late = use_of(connection)
    give_back(slots, connection)
    assert take(slots) is connection

    slots.leave(connection, late)

    assert (slots.in_use, slots.out()) == (1, [connection])
    assert use_of(connection) is not late
    assert slots.claim(late) is None


def test_who_wants_a_fresh_one_has_it_made_though_others_are_idle() -> None:
    slots = filled(slots_of(2), "kept", "replaced")
    use = a_use()
    use.fresh = True
    replaced = take(slots, use=use)

    made = slots.exchange(replaced, use)

    assert (made.state, made.name) == ("connecting", "")
    assert [each.name for each in slots.idle] == ["kept"]
    assert (slots.out(), replaced.use) == ([made], None)


# ---- idle connections ----


def test_what_was_never_granted_is_not_kept() -> None:
    slots = slots_of(1)
    made = slots.take(a_use(), 0).made(inf)

    assert not slots.give_back(made, time.monotonic())
    assert (made.state, slots.in_use) == ("in use", 1)


def test_what_is_unneeded_is_taken_out_and_the_rest_stays_in_order() -> None:
    """What comes back meanwhile is not lost: the garbage collector returns the forgotten at any time."""
    slots, asked = slots_of(5), list[tuple[str, bool]]()
    late = take(slots)
    late.name = "late"
    filled(slots, "a", "b", "c", "d")

    def why(connection: Made, better_is_kept: bool) -> CloseReason | None:
        asked.append((connection.name, better_is_kept))
        if connection.name == "b":
            give_back(slots, late)
        return "idle" if connection.name in "bd" else None

    assert [(each.name, why) for each, why in slots.evict(why)] == [("d", "idle"), ("b", "idle")]
    assert asked == [("d", False), ("c", False), ("b", True), ("a", True)]
    assert names_of(slots, 3) == ["late", "c", "a"]


def test_what_is_taken_while_another_one_is_being_closed_is_not_sorted_out() -> None:
    slots = filled(slots_of(3), "a", "b", "c")

    closed = []
    for each, _ in slots.evict(lambda *_: "idle"):
        closed.append(each.name)
        if each.name == "c":
            assert names_of(slots, 1) == ["b"]

    assert closed == ["c", "a"]
    assert (slots.in_use, len(slots.idle)) == (1, 0)


# ---- what the server allows ----


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the slots see, in its first place."""
    now = [1000.0]
    monkeypatch.setattr("steadypool.core.slots.monotonic", lambda: now[0])
    return now


@pytest.mark.usefixtures("clock")
def test_no_more_are_let_in_than_the_server_allows() -> None:
    slots = slots_of(3)
    take(slots)
    take(slots)

    assert slots.keep_to(2), "that is news"
    assert not slots.keep_to(2), "it is not any more"

    with pytest.raises(PoolExhaustedError, match=r"all 2 connections that the server allows, of 3, were in use"):
        take(slots)
    slots.most_pending = 0
    with pytest.raises(QueueFullError, match=r"all 2 connections .* are in use and 0 threads wait already"):
        take(slots)


def test_now_and_then_one_more_finds_out_whether_the_server_allows_for_it(clock: list[float]) -> None:
    slots = slots_of(5)
    pause, longest = GROW_AFTER_SECONDS
    take(slots)
    pauses = []
    for _ in range(10):
        slots.keep_to(1)
        began = clock[0]
        with pytest.raises(PoolExhaustedError):
            take(slots)
        while True:
            clock[0] += pause / 2
            with suppress(PoolExhaustedError):
                close(slots, take(slots))
                break
        pauses.append(clock[0] - began)

    assert pauses[:4] == pytest.approx([pause, 2 * pause, 4 * pause, 8 * pause], abs=pause)
    assert pauses[-1] == pytest.approx(longest, abs=pause)
    take(slots)
    with pytest.raises(PoolExhaustedError):
        take(slots)  # one more, and not two


def test_where_the_server_allows_for_one_more_so_many_are_let_in_from_now_on(clock: list[float]) -> None:
    slots = slots_of(3)
    slots.keep_to(1)

    assert not slots.grow_to(2)
    assert slots.limit == 2
    assert not slots.grow_to(1), "it does not shrink"
    assert slots.limit == 2
    assert slots.grow_to(7), "no limit any more"
    assert slots.limit == slots.permits == 3

    slots.keep_to(1)
    clock[0] += GROW_AFTER_SECONDS[0]
    assert slots._limit_now() == 2, "the pause begins anew"


# ---- another size ----


def test_who_waits_is_served_where_there_are_more() -> None:
    slots, waits = slots_of(1), a_use()
    take(slots)
    waiting = threading.Thread(target=slots.take, args=(waits, None), daemon=True)
    waiting.start()
    assert eventually(lambda: slots.pending == 1)

    slots.resize(permits=2, kept=2)

    waiting.join(5)
    assert (slots.in_use, slots.pending, slots.limit) == (2, 0, 2)


def test_where_there_are_fewer_idle_ones_go_and_those_in_use_as_they_come_back() -> None:
    slots = slots_of(4)
    held = [take(slots) for _ in range(3)]
    filled(slots, "idle")

    slots.resize(permits=2, kept=2)

    assert [each.name for each in slots.surplus()] == ["idle"]
    assert [slots.give_back(each, time.monotonic()) for each in held] == [False, False, False]
    for each in held[1:]:
        close(slots, each)
    give_back(slots, held[0])
    assert (slots.in_use, list(slots.idle)) == (0, [held[0]])
    assert_whole(slots, [])


def test_the_longest_unused_goes_first() -> None:
    slots = filled(slots_of(3), "a", "b", "c")

    slots.resize(permits=3, kept=1)

    assert [each.name for each in slots.surplus()] == ["a", "b"]


def test_what_the_server_allows_stays_so() -> None:
    slots = slots_of(5)
    slots.keep_to(3)

    slots.resize(permits=9, kept=9)
    assert slots.limit == 3
    slots.resize(permits=2, kept=2)
    assert slots.limit == 2
    slots.resize(permits=9, kept=9)
    assert slots.limit == 9, "a pool that met no limit has none"


def test_what_is_closed_keeps_none_until_it_is_opened_again() -> None:
    slots = slots_of(2)
    first = take(slots)
    list(slots.close())

    slots.resize(permits=3, kept=3)

    assert not slots.give_back(first, time.monotonic())
    close(slots, first)
    slots.open_again()
    give_back(slots, take(slots))
    assert len(slots.idle) == 1


# ---- looking after ----


def test_calls_are_cut_as_long_as_they_are_overdue_and_the_silence_is_told_once() -> None:
    slots, wire = slots_of(1), Mock()
    connection = take(slots, use=a_use(ends=0.0))
    connection.note_wire(wire)
    use_of(connection).call_began = 0.0

    assert slots.cut_overdue(time.monotonic(), inf)
    assert not slots.cut_overdue(time.monotonic(), inf)

    assert wire.cut.call_count == 2


def test_no_connection_that_there_is_now_is_used_again_but_one_that_is_being_made() -> None:
    slots = slots_of(4)
    in_use, connecting, worn = take(slots), slots.take(a_use(), 0), take(slots)
    worn.condemned = "expired"
    filled(slots, "idle")
    (idle,) = slots.idle

    slots.condemn()

    reasons = [each.condemned for each in (in_use, idle, connecting, worn)]
    assert reasons == ["invalidated", "invalidated", None, "expired"]
    slots.condemn("drained", unmade=True)
    assert connecting.condemned == "drained"
    connecting.made(inf)
    assert connecting.why_over(time.monotonic()) == "drained"


def test_what_is_told_of_one_moment() -> None:
    slots = filled(slots_of(4, kept=2), "a", "b")
    in_use, connecting = take(slots), slots.exchange(take(slots), a_use())
    in_use.dbapi_connection = driver = object()

    seen = slots.snapshot(time.monotonic())

    gauges = {name: seen[name] for name in ("size", "in_use", "idle", "pending")}
    assert gauges == {"size": 4, "in_use": 2, "idle": 0, "pending": 0}
    assert (seen["acquired"], seen["use_time"]["count"], seen["wait_time"]["count"]) == (4, 2, 4)
    assert set(slots.out()) == set(slots.all()) == set(slots.left_behind()) == {in_use, connecting}
    assert set(slots.uses()) == {in_use.use, connecting.use}
    assert slots.of(driver) is in_use.use
    assert slots.of(object()) is None
    give_back(slots, in_use)
    assert slots.of(driver) is None
    assert set(slots.all()) == set(slots.left_behind()) == {in_use, connecting}
    assert slots.alive() == 1


def test_each_use_is_counted_when_it_has_ended_and_once() -> None:
    slots = slots_of(2)
    kept, closed = take(slots), take(slots)
    use = use_of(closed)
    for each in (kept, closed):
        use_of(each).busy = 1.0
    assert slots.snapshot(time.monotonic())["acquired"] == 2

    give_back(slots, kept)
    close(slots, closed)
    slots.leave(closed, use)
    slots.count()

    seen = slots.snapshot(time.monotonic())
    assert (seen["acquired"], seen["use_time"]["count"], seen["busy_seconds"]) == (2, 2, 2.0)


# ---- what comes between two steps ----


class Turn:
    """A lock of somebody who waits: what happens meanwhile happens in the same thread."""

    meanwhile: Callable[[], None] | None = None

    def __init__(self) -> None:
        self._is_locked = False

    def acquire(self, timeout: float | None = None) -> bool:
        if timeout is not None and (meanwhile := Turn.meanwhile):
            Turn.meanwhile = None
            tracing = sys.gettrace()
            sys.settrace(None)
            meanwhile()
            sys.settrace(tracing)
        was_free, self._is_locked = not self._is_locked, True
        return was_free

    def release(self) -> None:
        if not self._is_locked:
            raise RuntimeError("release unlocked lock")
        self._is_locked = False


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steadypool.core.slots.Lock", Turn)
    monkeypatch.setattr(Turn, "meanwhile", None)


def done_while_waiting(slots: Slots[Made], waiting: int, do: Callable[[], None]) -> list[Made]:
    """Do something while so many stand in the queue; return what they are given, in their order."""
    if not waiting:
        do()
        return []
    others: list[Made] = []

    def go_on() -> None:
        others.extend(done_while_waiting(slots, waiting - 1, do))

    Turn.meanwhile = go_on
    mine = take(slots, 1)
    assert Turn.meanwhile is None, "it did not wait"
    return [mine, *others]


@contextmanager
def collected_at_line(number: int, slots: Slots[Made], forgotten: Made) -> Iterator[list[int]]:
    """Have the garbage collector find a connection at the n-th line that this thread executes here; yield at which.

    What it finds while this thread has the lock is given back later: so does the pool.
    """
    where: list[int] = []
    lock: Any = slots._lock
    executed = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal executed
        if not frame.f_code.co_filename.endswith(FILES):
            return None
        if event == "line" and not where:
            executed += 1
            if executed == number:
                where.append(frame.f_lineno)
                if not lock._is_owned():
                    close(slots, forgotten)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield where
    finally:
        sys.settrace(before)
        if forgotten.state != "closed":
            close(slots, forgotten)


Step = Callable[[Slots[Made], Use], Callable[[], object]]
"""What prepares a step for a use, and returns it."""


def making_one(slots: Slots[Made], use: Use) -> Callable[[], object]:
    return lambda: slots.take(use, 0)


def taking_an_idle_one(slots: Slots[Made], use: Use) -> Callable[[], object]:
    filled(slots, "idle")
    return lambda: slots.take(use, 0)


def exchanging(slots: Slots[Made], use: Use) -> Callable[[], object]:
    connection = take(slots, use=use)
    connection.end("stale")
    return lambda: slots.exchange(connection, use)


def giving_back(slots: Slots[Made], use: Use) -> Callable[[], object]:
    connection = take(slots, use=use)
    return lambda: slots.give_back(connection, time.monotonic())


def leaving(slots: Slots[Made], use: Use) -> Callable[[], object]:
    connection = take(slots, use=use)
    connection.end("error")
    return lambda: slots.leave(connection, use)


def giving_up_a_turn(slots: Slots[Made], use: Use) -> Callable[[], object]:
    connection = slots.take(use, 0)
    connection.end("error")
    return lambda: slots.give_up_turn(connection)


def claiming(slots: Slots[Made], use: Use) -> Callable[[], object]:
    take(slots, use=use)
    return lambda: slots.claim(use)


def cutting(slots: Slots[Made], use: Use) -> Callable[[], object]:
    now = time.monotonic()
    use.deadline, use.granted = Deadline(now, now - 10, Account()), now
    take(slots, use=use)
    return lambda: slots.cut_overdue(now, inf)


def writing_off(slots: Slots[Made], use: Use) -> Callable[[], object]:
    cutting(slots, use)()
    return lambda: slots.write_off(time.monotonic())


def leaving_late(slots: Slots[Made], use: Use) -> Callable[[], object]:
    """Its permit is somebody else's by now, and that one has left as well."""
    writing_off(slots, use)()
    close(slots, take(slots))
    return lambda: slots.leave(use.connection, use)


TAKING: list[Step] = [making_one, taking_an_idle_one]
HOLDING: list[Step] = [exchanging, giving_back, leaving, giving_up_a_turn, claiming, cutting, writing_off]
STEPS = [(step, 0) for step in (*TAKING, *HOLDING, leaving_late)] + [(step, n) for step in HOLDING for n in (1, 2)]


def sweep(at_line: Callable[[int], object], *, at_least: int = 2) -> None:
    """Have something happen at the first line, at the second, until none is left."""
    line = 1
    while at_line(line):
        line += 1
    assert line > at_least, "hardly a line was executed"


@pytest.mark.usefixtures("turns")
@pytest.mark.parametrize(("step", "waiting"), STEPS)
def test_at_whatever_line_it_breaks_off_each_connection_has_one_owner_and_no_permit_is_lost(
    step: Step, waiting: int
) -> None:
    def at_line(line: int) -> list[str]:
        slots, use, met = slots_of(2), a_use(), list[str]()
        other = take(slots)
        do = step(slots, use)

        def break_off() -> None:
            with thrown_at_line(FILES, line) as where, suppress(Thrown):
                do()
            met.extend(where)
            settle(slots, use)
            if waiting > 1:
                close(slots, other)

        given = done_while_waiting(slots, waiting, break_off)
        assert_whole(slots, given if waiting > 1 else [other, *given], met)
        return met

    sweep(at_line)


@pytest.mark.usefixtures("turns")
def test_who_was_served_by_halves_and_waits_no_longer_has_a_connection_of_their_own_or_none() -> None:
    """At whatever line it breaks off, before the housekeeping comes."""

    def at_line(line: int) -> list[str]:
        slots, use, met, given = slots_of(2), a_use(), list[str](), list[Made]()
        other = take(slots)
        do = giving_back(slots, use)

        def break_off() -> None:
            with thrown_at_line(FILES, line) as where, suppress(Thrown):
                do()
            met.extend(where)

        with suppress(PoolExhaustedError):
            given += done_while_waiting(slots, 1, break_off)
        settle(slots, use)
        assert_whole(slots, [other, *given], met)
        return met

    sweep(at_line, at_least=10)


@pytest.mark.usefixtures("turns")
@pytest.mark.parametrize("come", [None, give_back, close])
def test_at_whatever_line_who_waits_is_interrupted_nothing_is_lost(
    come: Callable[[Slots[Made], Made], None] | None,
) -> None:
    """They wait in vain, or somebody gives back a good connection meanwhile, or closes one."""

    def at_line(line: int) -> list[str]:
        slots, use, held = slots_of(1), a_use(), list[Made]()
        held.append(take(slots))
        Turn.meanwhile = (lambda: come(slots, held.pop())) if come else None
        with thrown_at_line(FILES, line) as met, suppress(Thrown, PoolExhaustedError):
            slots.take(use, 0)
        Turn.meanwhile = None
        settle(slots, use)
        assert_whole(slots, held, met)
        return met

    sweep(at_line, at_least=10)


@pytest.mark.usefixtures("turns")
@pytest.mark.parametrize(("step", "waiting"), STEPS)
def test_what_the_garbage_collector_gives_back_in_the_middle_is_given_out_once(step: Step, waiting: int) -> None:
    def at_line(line: int) -> list[int]:
        slots, use, met = slots_of(3), a_use(), list[int]()
        other, forgotten = take(slots), take(slots)
        do = step(slots, use)

        def collect() -> None:
            with collected_at_line(line, slots, forgotten) as where:
                do()
            met.extend(where)
            settle(slots, use)

        given = done_while_waiting(slots, waiting, collect)
        assert_whole(slots, [other, *given], met)
        return met

    sweep(at_line)


Looks = Callable[[Slots[Made]], object]


def sorting_out(slots: Slots[Made]) -> list[Made]:
    return [each for each, _ in slots.evict(lambda *_: "idle")]


def closing(slots: Slots[Made]) -> list[Made]:
    return list(slots.close())


def shrinking(slots: Slots[Made]) -> list[Made]:
    slots.resize(permits=2, kept=1)
    taken_out = list(slots.surplus())
    slots.resize(permits=3, kept=8)
    return taken_out


LOOKS: dict[str, Looks] = {
    "all": Slots.all,
    "uses": Slots.uses,
    "alive": Slots.alive,
    "of": lambda slots: slots.of(object()),
    "condemn": Slots.condemn,
    "cut overdue": lambda slots: slots.cut_overdue(time.monotonic(), inf),
    "write off": lambda slots: slots.write_off(time.monotonic()),
    "snapshot": lambda slots: slots.snapshot(time.monotonic()),
    "evict none": lambda slots: list(slots.evict(lambda *_: None)),
    "evict all": sorting_out,
    "close": closing,
    "resize": shrinking,
}


@pytest.mark.usefixtures("turns")
@pytest.mark.parametrize("waiting", [0, 1])
@pytest.mark.parametrize("look", LOOKS)
def test_what_the_garbage_collector_gives_back_does_not_disturb_who_looks_after_the_connections(
    look: str, waiting: int
) -> None:
    """One is idle, for the server allows for no more; who waits for it gets it in the middle."""

    def at_line(line: int) -> list[int]:
        slots, met, taken_out = slots_of(3), list[int](), list[Made]()
        forgotten, other = take(slots), take(slots)
        filled(slots, "idle")
        slots.keep_to(2)
        slots._grow_at = inf

        def collect() -> None:
            with collected_at_line(line, slots, forgotten) as where:
                seen = LOOKS[look](slots)
            met.extend(where)
            if LOOKS[look] in (sorting_out, closing, shrinking):
                assert isinstance(seen, list)
                taken_out.extend(seen)

        given = done_while_waiting(slots, waiting, collect)
        assert not {*taken_out} & {*given, *slots.idle}, "it is closed under who has it"
        slots.grow_to(3)
        assert_whole(slots, [other, *given], met)
        return met

    sweep(at_line)
