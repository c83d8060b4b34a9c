"""The ways to a connection and back: each prepares, yields, does what may be broken off, and yields the answer."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import event, literal, select

from steadypool import deadline, in_transaction, read
from steadypool.lookup import lend
from tests.pool.place import LOOKUP, Place, ask

Steps = Generator[Any, None, None]
Way = Callable[[Place, int], Steps]
W = TypeVar("W", bound=Way)


def on_a_deadline(place: Place, asked: int) -> Any:
    with deadline.within(5):
        return ask(place.engine, asked)


def answer_of(proxy: Any, asked: int) -> Any:
    try:
        return proxy.execute("SELECT ?", [asked]).fetchone()[0]
    finally:
        proxy.close()


def failing_statement(place: Place, asked: int) -> Any:
    with suppress(Exception), place.engine.connect() as connection:
        connection.exec_driver_sql("SELECT nothing FROM nowhere")
    return asked


def failing_lookup(place: Place, asked: int) -> Any:
    def fail(_: object) -> None:
        raise sqlite3.OperationalError("of the driver")

    with suppress(sqlite3.OperationalError):
        lend(place.pool, fail)
    return asked


AT_ONCE: dict[str, Callable[[Place, int], Any]] = {
    "connect": lambda place, asked: ask(place.engine, asked),
    "connect within a deadline": on_a_deadline,
    "fresh": lambda place, asked: answer_of(place.pool.connect(fresh=True), asked),
    "raw connection": lambda place, asked: answer_of(place.engine.raw_connection(), asked),
    "lookup": lambda place, asked: LOOKUP.fetch(place.engine, number=asked)[0][0],
    "reading": lambda place, asked: read(place.engine, lambda connection: connection.scalar(select(literal(asked)))),
    "unit": lambda place, asked: in_transaction(
        place.engine, lambda connection: connection.scalar(select(literal(asked)))
    ),
    "failing statement": failing_statement,
    "failing lookup": failing_lookup,
}
"""Those that need no preparation."""


def without_preparation(way: Callable[[Place, int], Any]) -> Way:
    def steps(place: Place, asked: int) -> Steps:
        yield
        yield way(place, asked)

    return steps


WAYS: dict[str, Way] = {name: without_preparation(way) for name, way in AT_ONCE.items()}


def prepared(way: W) -> W:
    WAYS[way.__name__] = way
    return way


@prepared
def stale(place: Place, asked: int) -> Steps:
    ask(place.engine, asked)
    for entry in place.pool.slots.idle:
        entry.dbapi_connection.is_gone = True
        entry.used -= 1000
    yield
    yield ask(place.engine, asked)


@prepared
def first(place: Place, asked: int) -> Steps:
    place.engine.dispose()
    place.renew()
    yield
    yield ask(place.engine, asked)


@prepared
def second(place: Place, asked: int) -> Steps:
    place.replace_pool()
    yield
    yield ask(place.engine, asked)


@prepared
def queue(place: Place, asked: int) -> Steps:
    with released_once_somebody_waits(place, [place.engine.connect() for _ in range(place.pool.size())]):
        yield
        yield ask(place.engine, asked)


@prepared
def no_room(place: Place, asked: int) -> Steps:
    """The server takes no more, so that one has to wait for a connection that others use."""

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("no room")

    held = place.engine.connect()
    place.pool.slots.condemn()
    event.listen(place.engine, "do_connect", refuse)
    place.pool.opener.is_at_limit = lambda error: True  # type: ignore[method-assign] # for this one
    entry: Any = held.connection._connection_record
    entry.condemned = None
    try:
        with released_once_somebody_waits(place, [held]):
            yield
            yield ask(place.engine, asked)
    finally:
        event.remove(place.engine, "do_connect", refuse)
        del place.pool.opener.is_at_limit
        place.pool.slots.grow_to(place.pool.slots.permits)


@contextmanager
def released_once_somebody_waits(place: Place, held: list[Any]) -> Iterator[None]:
    is_over = threading.Event()

    def release() -> None:
        while not place.pool.slots.pending and not is_over.is_set():
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


@prepared
def release_changed(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    told = connection.exec_driver_sql("SELECT ?", (asked,)).scalar()
    yield
    connection.close()
    yield told


@prepared
def release_overdue(place: Place, asked: int, *, late: float = 5.1) -> Steps:
    with deadline.within(5):
        connection = place.engine.connect()
        told = connection.scalar(select(literal(asked)))
    place.pool.patrol(time.monotonic() + late)
    yield
    connection.close()
    yield told


@prepared
def release_written_off(place: Place, asked: int) -> Steps:
    return release_overdue(place, asked, late=6)


@prepared
def release_after_dispose(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    told = connection.scalar(select(literal(asked)))
    place.replace_pool()
    yield
    connection.close()
    yield told


@prepared
def invalidate(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    yield
    connection.invalidate()
    connection.close()
    yield asked


@prepared
def invalidate_and_go_on(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    yield
    connection.invalidate()
    connection.rollback()
    told = connection.scalar(select(literal(asked)))
    connection.close()
    yield told


@prepared
def soft_invalidate(place: Place, asked: int) -> Steps:
    proxy: Any = place.pool.connect()
    yield
    proxy.invalidate(soft=True)
    yield answer_of(proxy, asked)


@prepared
def detach(place: Place, asked: int) -> Steps:
    connection = place.engine.connect()
    yield
    connection.detach()
    told = connection.scalar(select(literal(asked)))
    connection.close()
    yield told


@prepared
def drop(place: Place, asked: int) -> Steps:
    connection: Any = place.engine.connect()
    yield
    del connection
    yield asked
