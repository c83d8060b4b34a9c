"""A driver that the pool does not know is one class more: the example in its README, on a real PostgreSQL."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, make_url, select, text

from steadypool import DeadlineExceededError, PoolPolicy, create_pool_engine, deadline, in_transaction, read
from steadypool import drivers as known
from testkit import ROOT
from testkit.databases import Database, plain_engine
from testkit.waiting import eventually
from tests.support.pools import steady

EXAMPLE = re.compile(r"## A driver that is not here\n.*?```python\n(.*?)```", re.DOTALL)
ONE = select(1)
SLOW = select(func.pg_sleep(5)).execution_options(leaves_no_trace=True)

pytestmark = pytest.mark.parametrize("server", ["postgresql"], indirect=True)


@pytest.fixture
def engine(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(known, "_drivers", dict(known._drivers))
    monkeypatch.setattr(known, "_by_module", dict(known._by_module))
    (example,) = EXAMPLE.findall((ROOT / "steadypool/README.md").read_text())
    exec(example, {})
    url = make_url(empty_database.url).set(drivername="postgresql+pg8000")
    made = create_pool_engine(url, PoolPolicy(size=1, deadline_seconds=1))
    yield made
    made.dispose()


def test_its_connection_is_kept_and_tested_at_its_socket(engine: Engine, empty_database: Database) -> None:
    backend = select(func.pg_backend_pid()).execution_options(leaves_no_trace=True)
    first = read(engine, lambda connection: connection.scalar(backend))
    with empty_database.connect() as admin:
        admin.execute(select(func.pg_terminate_backend(first)))
        time.sleep(0.1)

    # Another one, and nobody has seen an error: it was found closed before it was lent.
    second = in_transaction(engine, lambda connection: connection.scalar(backend))
    again = in_transaction(engine, lambda connection: connection.scalar(backend))

    assert first != second
    assert again == second
    assert steady(engine).snapshot()["closed"] == {"stale": 1}


def test_a_call_is_cut_at_its_deadline(engine: Engine) -> None:
    read(engine, lambda connection: connection.scalar(ONE))
    began = time.monotonic()

    with pytest.raises(DeadlineExceededError), deadline.within(0.3):
        read(engine, lambda connection: connection.scalar(SLOW))

    assert time.monotonic() - began < 1
    assert steady(engine).snapshot()["closed"] == {"overdue": 1}


def test_the_server_has_its_limit(engine: Engine) -> None:
    with pytest.raises(DeadlineExceededError):
        read(engine, lambda connection: connection.scalar(SLOW))

    assert steady(engine).snapshot()["closed"] == {}, "the connection is good: the server stopped the statement alone"


def test_what_a_cursor_of_its_own_leaves_open_is_not_kept(engine: Engine) -> None:
    connection = engine.raw_connection()
    connection.cursor().execute("BEGIN")
    connection.close()

    assert steady(engine).snapshot()["closed"] == {"changed": 1}


def test_what_is_cut_is_ended_at_the_server(engine: Engine, empty_database: Database) -> None:
    patient = create_pool_engine(engine.url, PoolPolicy(size=1, deadline_seconds=60))
    read(patient, lambda connection: connection.scalar(ONE))
    slow = select(func.pg_sleep(60)).execution_options(leaves_no_trace=True)
    running = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
    # In a transaction it would be the same list again.
    with plain_engine(empty_database.admin_url).connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        with pytest.raises(DeadlineExceededError), deadline.within(0.3):
            read(patient, lambda connection: connection.scalar(slow))

        assert eventually(lambda: admin.scalar(running) == 0)
    patient.dispose()
