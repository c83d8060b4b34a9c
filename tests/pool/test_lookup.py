"""The shortest way of a read gives what the usual way gives, or says that it cannot."""

from __future__ import annotations

import pytest
from sqlalchemy import DateTime, Engine, Integer, String, bindparam, column, create_engine, exc, func, select, table

from steadypool import Lookup, deadline, in_transaction
from steadypool.errors import DatabaseDownError
from tests.pool.conftest import MakeEngine
from tests.support.pools import steady

notes = table("notes", column("id", Integer), column("note", String), column("at", DateTime))
BY_NOTE = Lookup(select(notes.c.id).where(notes.c.note == bindparam("note")).order_by(notes.c.id).limit(1))


@pytest.fixture
def reader(make_engine: MakeEngine) -> Engine:
    """An engine that reads, from a table of two notes."""
    with make_engine("migration").begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id INTEGER, note TEXT, at TEXT)")
        connection.exec_driver_sql("INSERT INTO notes VALUES (7, 'seen', ''), (8, 'seen', '')")
    return make_engine("reader")


def test_a_lookup_returns_rows_and_brings_its_connection_back(reader: Engine) -> None:
    found = [list(BY_NOTE.fetch(reader, note=note)) for note in ("seen", "unseen", "seen")]

    assert found == [[(7,)], [], [(7,)]]
    seen = steady(reader).snapshot()
    assert (seen["acquired"], seen["opened"], seen["closed"], seen["in_use"]) == (3, 1, {}, 0)
    assert (seen["wait_time"]["count"], seen["use_time"]["count"]) == (3, 3)
    assert seen["busy_seconds"] > 0


def test_one_lookup_serves_many_engines(reader: Engine, make_engine: MakeEngine) -> None:
    other = make_engine("reader")

    assert list(BY_NOTE.fetch(reader, note="seen")) == list(BY_NOTE.fetch(other, note="seen"))


def test_an_engine_without_our_pool_is_asked_in_the_usual_way(reader: Engine) -> None:
    plain = create_engine(reader.url)

    assert list(BY_NOTE.fetch(plain, note="seen")) == [(7,)]
    plain.dispose()


def test_a_mistake_is_sqlalchemys_error_and_costs_no_connection(reader: Engine) -> None:
    nowhere = Lookup(select(column("id", Integer)).select_from(table("nowhere")))

    for _ in range(3):
        with pytest.raises(exc.OperationalError, match="no such table"):
            nowhere.fetch(reader)

    seen = steady(reader).snapshot()
    assert (seen["opened"], seen["closed"], seen["retried"]) == (1, {}, 0)


def test_a_value_that_is_missing_is_named(reader: Engine) -> None:
    with pytest.raises(TypeError, match="no value is given for 'note'"):
        BY_NOTE.fetch(reader)

    assert steady(reader).snapshot()["in_use"] == 0


def test_a_statement_that_may_change_its_session_is_refused() -> None:
    with pytest.raises(ValueError, match="may change its session"):
        Lookup(select(func.get_lock("a", 1)))


def test_a_type_that_sqlalchemy_converts_is_refused(reader: Engine) -> None:
    by_time = Lookup(select(notes.c.id).where(notes.c.at == bindparam("at")))

    for lookup, values in ((Lookup(select(notes.c.at)), {}), (by_time, {"at": None})):
        with pytest.raises(TypeError, match="for `read`"):
            lookup.fetch(reader, **values)


def test_a_list_of_values_is_refused(reader: Engine) -> None:
    some = Lookup(select(notes.c.id).where(notes.c.note.in_(bindparam("some", expanding=True))))

    with pytest.raises(TypeError, match="depends on its values"):
        some.fetch(reader, some=["seen"])


def test_an_engine_in_transactions_is_refused(make_engine: MakeEngine, reader: Engine) -> None:
    writer = make_engine("writer")

    with pytest.raises(ValueError, match="autocommit"):
        BY_NOTE.fetch(writer, note="seen")

    assert in_transaction(writer, lambda connection: connection.scalar(select(notes.c.id).limit(1))) == 7


def test_a_database_that_is_away_is_the_pools_error(make_engine: MakeEngine) -> None:
    away = make_engine("reader", "sqlite:////nowhere/none.sqlite3")

    with pytest.raises(DatabaseDownError, match="unable to open database file"), deadline.within(0.3):
        BY_NOTE.fetch(away, note="seen")

    assert steady(away).snapshot()["in_use"] == 0
