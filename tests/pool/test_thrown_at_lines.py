"""An exception at each line of the package in turn, while a connection is acquired, used and released.

Whatever it breaks off: after two rounds of the housekeeping all permits and connections are accounted for, and the next
answers are right.
"""

from __future__ import annotations

import gc
import logging
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Integer, bindparam, event, literal, select

import steadypool
from steadypool import Lookup, PoolPolicy, SteadyPool, create_pool_engine, deadline, in_transaction, read
from tests.support.policies import POLICY
from tests.support.pools import steady
from tests.support.throwing import Thrown, thrown_at_line
from tests.support.tracked import Tracker

# What is thrown while a connection is being made leaves it to the garbage collector, which closes it.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

PACKAGE = Path(steadypool.__file__).parent
HARMLESS = {"plain.py", "harmless.py"}
"""What statements are asked about, once each; no connection is involved."""
FILES = tuple(str(path) for path in PACKAGE.rglob("*.py") if path.name not in HARMLESS)
SIZE = 2
LOOKUP = Lookup(select(bindparam("number", type_=Integer).label("number")))


class Place:
    """An engine on a file, whose connections are counted; `renew` for one that has not connected yet."""

    def __init__(self, url: str, policy: PoolPolicy) -> None:
        self._url, self._policy = url, policy
        self.renew()
        self.warm_up()

    def renew(self) -> None:
        self.tracker = Tracker()
        self.engine = create_pool_engine(
            self._url, self._policy, role="reader", connect_args={"factory": self.tracker, "check_same_thread": False}
        )
        self._before = self.pool

    @property
    def pool(self) -> SteadyPool:
        return steady(self.engine)

    def warm_up(self) -> None:
        self.pool._is_watched = True  # by the test alone, at the moments that it chooses
        self.engine.connect().close()

    def replace_pool(self) -> None:
        self._before = self.pool
        self.engine.dispose()
        self.pool._is_watched = True

    def tidy(self) -> None:
        for pool in (self._before, self.pool):
            pool._next_tidy = 0.0
            pool.patrol(time.monotonic())

    def accounts(self) -> dict[str, int]:
        """Return what is not as it should be after two rounds of the housekeeping."""
        gc.collect()
        for _ in range(3):  # two settle it; the next lets go of it
            self.tidy()
        gc.collect()  # of what is in circles the housekeeping has let go: a connection to SQLite with its statements
        seen = self.pool.snapshot()
        accounts = {
            "in use": seen["in_use"],
            "waiting": seen["waiting"],
            "out": len(self.pool.slots.out()),
            "counted and not idle": seen["opened"] - sum(seen["closed"].values()) - seen["idle"],
            "open and not idle": self.tracker.open() - seen["idle"],
        }
        return {name: number for name, number in accounts.items() if number}

    def problems(self) -> list[object]:
        found: list[object] = [accounts] if (accounts := self.accounts()) else []
        try:
            answers = [ask(self.engine, 7), LOOKUP.fetch(self.engine, number=8)[0][0]]
            with self.engine.connect() as one, self.engine.connect() as other:
                assert one.connection.dbapi_connection is not other.connection.dbapi_connection
        except Exception as error:
            return [*found, error]
        return found if answers == [7, 8] else [*found, answers]


def ask(engine: Engine, asked: int) -> Any:
    with engine.connect() as connection:
        return connection.scalar(select(literal(asked)))


Steps = Generator[Any, None, None]
Way = Callable[[Place, int], Steps]
"""Prepares, yields, does what is broken off, and yields the answer."""


def connect(place: Place, asked: int) -> Steps:
    yield
    yield ask(place.engine, asked)


def connect_within_a_deadline(place: Place, asked: int) -> Steps:
    yield
    with deadline.within(5):
        told = ask(place.engine, asked)
    yield told


def fresh(place: Place, asked: int) -> Steps:
    yield
    yield answer_of(place.pool.connect(fresh=True), asked)


def raw_connection(place: Place, asked: int) -> Steps:
    yield
    yield answer_of(place.engine.raw_connection(), asked)


def answer_of(proxy: Any, asked: int) -> Any:
    try:
        return proxy.execute("SELECT ?", [asked]).fetchone()[0]
    finally:
        proxy.close()


def lookup(place: Place, asked: int) -> Steps:
    yield
    yield LOOKUP.fetch(place.engine, number=asked)[0][0]


def reading(place: Place, asked: int) -> Steps:
    yield
    yield read(place.engine, lambda connection: connection.scalar(select(literal(asked))))


def unit(place: Place, asked: int) -> Steps:
    yield
    yield in_transaction(place.engine, lambda connection: connection.scalar(select(literal(asked))))


def stale(place: Place, asked: int) -> Steps:
    ask(place.engine, asked)
    for entry in place.pool.slots.idle:
        entry.dbapi_connection.is_gone = True
        entry.used -= 1000
    yield
    yield ask(place.engine, asked)


def first(place: Place, asked: int) -> Steps:
    place.engine.dispose()
    place.renew()
    yield
    yield ask(place.engine, asked)


def second(place: Place, asked: int) -> Steps:
    place.replace_pool()
    yield
    yield ask(place.engine, asked)


def queue(place: Place, asked: int) -> Steps:
    with released_once_somebody_waits(place, [place.engine.connect() for _ in range(SIZE)]):
        yield
        yield ask(place.engine, asked)


def no_room(place: Place, asked: int) -> Steps:
    """The server takes no more, so that one has to wait for a connection that others use."""

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("no room")

    held = place.engine.connect()
    place.pool.slots.condemn()
    event.listen(place.engine, "do_connect", refuse)
    place.pool.is_at_limit = lambda error: True  # type: ignore[method-assign]
    entry: Any = held.connection._connection_record
    entry.condemned = None
    try:
        with released_once_somebody_waits(place, [held]):
            yield
            yield ask(place.engine, asked)
    finally:
        event.remove(place.engine, "do_connect", refuse)
        del place.pool.is_at_limit
        place.pool.slots.grow_to(SIZE)


@contextmanager
def released_once_somebody_waits(place: Place, held: list[Any]) -> Iterator[None]:
    is_over = threading.Event()

    def release() -> None:
        while not place.pool.slots.waiting and not is_over.is_set():
            time.sleep(0.0002)
        while held:
            held.pop().close()

    releasing = threading.Thread(target=release)
    releasing.start()
    try:
        yield
    finally:
        is_over.set()
        releasing.join()


def release_changed(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    told = connection.exec_driver_sql("SELECT ?", (asked,)).scalar()
    yield
    connection.close()
    yield told


def release_overdue(place: Place, asked: int, *, late: float = 5.1) -> Steps:
    with deadline.within(5):
        connection = place.engine.connect()
        told = connection.scalar(select(literal(asked)))
    place.pool.patrol(time.monotonic() + late)
    yield
    connection.close()
    yield told


def release_written_off(place: Place, asked: int) -> Steps:
    return release_overdue(place, asked, late=6)


def release_after_dispose(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    told = connection.scalar(select(literal(asked)))
    place.replace_pool()
    yield
    connection.close()
    yield told


def invalidate(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    yield
    connection.invalidate()
    connection.close()
    yield asked


def invalidate_and_go_on(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    yield
    connection.invalidate()
    connection.rollback()
    told = connection.scalar(select(literal(asked)))
    connection.close()
    yield told


def soft_invalidate(place: Place, asked: int) -> Steps:
    proxy: Any = place.pool.connect()
    yield
    proxy.invalidate(soft=True)
    yield answer_of(proxy, asked)


def detach(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    yield
    connection.detach()
    told = connection.scalar(select(literal(asked)))
    connection.close()
    yield told


def drop(place: Place, asked: int) -> Steps:
    connection: Any = place.engine.connect()
    yield
    del connection
    yield asked


def failing_statement(place: Place, asked: int) -> Steps:
    yield
    with suppress(Exception), place.engine.connect() as connection:
        connection.exec_driver_sql("SELECT nothing FROM nowhere")
    yield asked


def failing_lookup(place: Place, asked: int) -> Steps:
    def fail(_: object) -> None:
        raise sqlite3.OperationalError("of the driver")

    yield
    with suppress(sqlite3.OperationalError):
        place.pool.lend(fail)
    yield asked


WAYS: list[Way] = [
    connect,
    connect_within_a_deadline,
    fresh,
    raw_connection,
    lookup,
    reading,
    unit,
    stale,
    first,
    second,
    queue,
    no_room,
    release_changed,
    release_overdue,
    release_written_off,
    release_after_dispose,
    invalidate,
    invalidate_and_go_on,
    soft_invalidate,
    detach,
    drop,
    failing_statement,
    failing_lookup,
]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pass over what finalizers raise, log nothing, and keep what is there already away from the garbage collector."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    logging.disable()
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
@pytest.mark.short_form("once")
@pytest.mark.parametrize("again", [(), (1,), (2,), (5,), (11,)], ids=lambda steps: f"and {steps}" if steps else "once")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_at_whatever_line_it_breaks_off_all_is_accounted_for(tmp_path: Path, way: Way, again: tuple[int, ...]) -> None:
    (tmp_path / "empty.sqlite3").touch()
    policy = replace(POLICY, size=SIZE, timeout_seconds=0.5)
    place = Place(f"sqlite:///{tmp_path}/empty.sqlite3", policy)
    assert place.problems() == []
    found, line = list[object](), 0
    while True:
        context, line = copy_context(), line + 1  # else a deadline that is left would be that of all that follow
        if not (where := context.run(broken_off, place, way, line, again)):
            break
        left = context.get(deadline.CURRENT)
        if problems := place.problems() + ([left] if left else []):
            found.append((where, problems))
            place.engine.dispose()
            place = Place(f"sqlite:///{tmp_path}/empty.sqlite3", policy)
    place.engine.dispose()

    assert not found, "\n".join(map(repr, found))
    assert line > 3, "hardly a line was executed"


def broken_off(place: Place, way: Way, line: int, again: tuple[int, ...]) -> list[str]:
    """Go a way until something is thrown at that line; return where, nothing if the way ended before."""
    steps = way(place, 666)
    next(steps)
    told = 666
    with suppress(Thrown, Exception), thrown_at_line(FILES, line, *again) as where:
        told = next(steps)
    steps.close()
    assert told == 666
    assert where or deadline.current() is None
    return where
