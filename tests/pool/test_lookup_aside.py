"""A lookup steps aside by itself where somebody listens, or has options: the short way is never another behaviour."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Pool, String, Table, bindparam, column, event, select, table

from steadypool import Lookup
from steadypool.core.connection import Use
from steadypool.entry import Entry
from steadypool.pool import SteadyPool
from tests.pool.conftest import MakeEngine

BY_NOTE = Lookup(
    select(table("notes", column("id", Integer), column("note", String)).c.id).where(
        column("note", String) == bindparam("note")
    )
)
OF_THE_OTHER = "CREATE TABLE other.tenant (note TEXT); INSERT INTO other.tenant VALUES ('other')"


@pytest.fixture
def reader(make_engine: MakeEngine) -> Engine:
    with make_engine("migration").begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id INTEGER, note TEXT)")
        connection.exec_driver_sql("INSERT INTO notes VALUES (7, 'seen')")
    return make_engine("reader")


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What went the short way."""
    seen: list[object] = []
    acquire = SteadyPool.acquire

    def note(pool: SteadyPool, use: Use) -> Entry:
        seen.append(pool)
        return acquire(pool, use)

    monkeypatch.setattr(SteadyPool, "acquire", note)
    return seen


def ask(engine: Engine) -> None:
    assert list(BY_NOTE.fetch(engine, note="seen")) == [(7,)]


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[object]]]:
    """Listen to an event, note each call, and stop with the test."""
    monkeypatch.setattr(Engine, "_has_events", False)  # which SQLAlchemy never takes back
    made: list[tuple[object, str, Callable[..., None]]] = []

    def begin(target: object, name: str) -> list[object]:
        heard: list[object] = []

        def hear(*arguments: object) -> None:
            heard.append(arguments)

        event.listen(target, name, hear)
        made.append((target, name, hear))
        return heard

    yield begin
    for each in made:
        event.remove(*each)


def test_nobody_listens(reader: Engine, lent: list[object]) -> None:
    ask(reader)
    ask(reader)

    assert len(lent) == 2


POOL_EVENTS = ["checkout", "checkin", "reset"]
CURSOR_EVENTS = ["before_cursor_execute", "after_cursor_execute", "do_execute"]
CONNECTION_EVENTS = ["engine_connect", "before_execute", "after_execute", *CURSOR_EVENTS, "handle_error", "invalidate"]
CASES = [
    *(("engine", name) for name in (*POOL_EVENTS, *CONNECTION_EVENTS)),
    *(("pool", name) for name in POOL_EVENTS),
    ("every pool", "checkout"),
    ("every engine", "before_execute"),
]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("on", "name"), CASES)
def test_somebody_listens(
    reader: Engine, lent: list[object], listen: Callable[..., list[object]], on: str, name: str, late: bool
) -> None:
    if late:
        ask(reader)
        lent.clear()
    heard = listen({"engine": reader, "pool": reader.pool, "every pool": Pool, "every engine": Engine}[on], name)
    heard.clear()

    ask(reader)

    assert (len(heard), lent) == (int(name not in ("handle_error", "invalidate")), [])


def test_who_stops_listening_is_not_waited_for(reader: Engine, lent: list[object]) -> None:
    def hear(*_: object) -> None:
        pass

    event.listen(reader, "checkout", hear)
    ask(reader)
    event.remove(reader, "checkout", hear)

    ask(reader)

    assert len(lent) == 1


def test_an_option_of_the_engine_is_honoured(reader: Engine, lent: list[object]) -> None:
    ask(reader.execution_options(logging_token="here"))

    assert lent == []


def test_what_is_logged_is_logged(reader: Engine, lent: list[object], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sqlalchemy.engine"):
        ask(reader)

    assert lent == []
    assert any("SELECT notes.id" in record.getMessage() for record in caplog.records)


def test_a_statement_with_options_of_its_own(make_engine: MakeEngine, lent: list[object]) -> None:
    """As of a tenant whose tables are elsewhere: another answer, and nothing would have told."""
    with make_engine("migration").begin() as connection:
        connection.exec_driver_sql("CREATE TABLE tenant (note TEXT)")
        connection.exec_driver_sql("INSERT INTO tenant VALUES ('main')")
    reader = make_engine("reader")
    event.listen(reader, "connect", lambda made, _: made.executescript("ATTACH ':memory:' AS other; " + OF_THE_OTHER))
    tenant = Table("tenant", MetaData(), Column("note", String), schema="usual")
    asked = select(tenant.c.note).execution_options(schema_translate_map={"usual": "other"})

    assert list(Lookup(asked).fetch(reader)) == [("other",)]
    assert lent == []


def test_a_statement_whose_author_vouches_for_it_goes_the_short_way(reader: Engine, lent: list[object]) -> None:
    assert list(Lookup(BY_NOTE.statement.execution_options(leaves_no_trace=True)).fetch(reader, note="seen")) == [(7,)]
    assert lent
