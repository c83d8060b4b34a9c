"""A read that comes `after` a position goes to the primary where its own server cannot tell how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Integer, bindparam, column, exc, select, table, text

from steadypool import Lookup, PoolPolicy, after, has_reached, in_transaction, position_of, read
from steadypool.core.stats import Event
from steadypool.drivers import sqlite
from tests.pool.conftest import MakeEngine
from tests.support.pools import steady

notes = table("notes", column("id", Integer))
LOOKUP = Lookup(select(notes.c.id).where(notes.c.id < bindparam("most", type_=Integer)))


def look(connection: Connection) -> int | None:
    return connection.scalar(select(notes.c.id))


def write(connection: Connection) -> str:
    connection.execute(text("INSERT INTO notes VALUES (9)"))
    return "written"


@pytest.fixture
def make_copy(make_engine: MakeEngine, tmp_path: Path) -> Callable[..., Engine]:
    """Return an engine that reads from a file of its own, in which the note is 1; in that of the primary it is 2."""

    def make(**policy: Any) -> Engine:
        for number, name in enumerate(("copy", "empty"), 1):
            path = tmp_path / f"{name}.sqlite3"
            path.touch()
            with make_engine("migration", url=f"sqlite:///{path}").begin() as connection:
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS notes (id INTEGER)")
                connection.exec_driver_sql(f"INSERT INTO notes VALUES ({number})")
        return make_engine("reader", url=f"sqlite:///{tmp_path}/copy.sqlite3", **policy)

    return make


def count(engine: Engine, event: Event) -> int:
    return int(steady(engine).snapshot()[event])


def test_the_primary_answers_what_the_copy_may_not_have(
    make_copy: Callable[..., Engine], make_engine: MakeEngine
) -> None:
    copy, primary = make_copy(catch_up_seconds=0.2), make_engine("writer")

    for position in ("", "1-2-3"):
        with after(position, primary):
            assert read(copy, look) == 2
            assert list(LOOKUP.fetch(copy, most=9)) == [(2,)]
        assert read(copy, look) == 1
        assert list(LOOKUP.fetch(copy, most=9)) == [(1,)]

    assert count(copy, "diverted") == 4
    assert steady(copy).snapshot()["closed"] == {}


def test_an_engine_that_waits_for_nobody_is_read_as_ever(
    make_copy: Callable[..., Engine], make_engine: MakeEngine
) -> None:
    copy = make_copy()

    with after("", make_engine("writer")):
        assert read(copy, look) == 1
        assert list(LOOKUP.fetch(copy, most=9)) == [(1,)]

    assert count(copy, "diverted") == 0


def test_one_inside_another_holds_until_its_end(make_copy: Callable[..., Engine], make_engine: MakeEngine) -> None:
    copy, primary = make_copy(catch_up_seconds=0.2), make_engine("writer")

    with after("", primary), pytest.raises(ValueError, match="on the way"), after("", copy):
        raise ValueError("on the way")

    assert read(copy, look) == 1


def test_where_a_server_has_no_position_that_is_told_as_well(
    make_copy: Callable[..., Engine], make_engine: MakeEngine
) -> None:
    make_copy()
    told: list[str] = []

    assert in_transaction(make_engine("writer"), write, tell_position=told.append) == "written"
    with pytest.raises(exc.DBAPIError):
        in_transaction(make_engine("writer"), lambda c: c.exec_driver_sql("no SQL"), tell_position=told.append)

    assert told == [""]


def test_a_position_that_cannot_be_asked_for_is_no_error_of_the_write(
    make_copy: Callable[..., Engine], make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_copy()
    told: list[str] = []
    writer = make_engine("writer")

    def fail(*_: object, **__: object) -> None:
        raise OSError("the network is gone")

    monkeypatch.setattr(sqlite.SQLite, "position", fail)

    assert in_transaction(writer, write, tell_position=told.append) == "written"
    assert told == [""]
    assert steady(writer).snapshot()["closed"] == {"error": 1}


def test_a_pool_of_somebody_elses_knows_no_position(make_engine: MakeEngine) -> None:
    with make_engine("migration").connect() as connection:
        assert position_of(connection) == ""
        assert not has_reached(connection, "1-2-3")


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="catch_up_seconds must be at least 0"):
        PoolPolicy(catch_up_seconds=seconds)
