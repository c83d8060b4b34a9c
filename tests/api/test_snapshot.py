"""What the pool says of itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from app.extensions import db
from steadypool import SteadyPool
from testkit.databases import Database
from tests.conftest import dispose
from tests.support.asking import A_ROW
from tests.support.counters import TROUBLE
from tests.support.pools import steady

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
GAUGES = {"size", "idle_max", "in_use", "idle", "pending", "breaker"}
COUNTERS = {"acquired", "opened", "closed", "timeouts", *TROUBLE}
HISTOGRAMS = {"wait_time", "use_time", "create_time"}
TIMES = {"connection_seconds", "busy_seconds", "idle_ratio"}


@pytest.fixture
def engine(database: Database, make_app: Callable[..., Flask]) -> Iterator[Engine]:
    """An engine with a pool of two."""
    app = make_app(DATABASE_URL=database.url, POOL_SIZE="2")
    with app.app_context():
        made = db.engines["reader"]
    yield made
    dispose(app)


@pytest.fixture
def pool(engine: Engine) -> SteadyPool:
    return steady(engine)


def use(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(A_ROW).all()


def test_its_vocabulary_is_fixed_and_can_be_written_as_json(engine: Engine, pool: SteadyPool) -> None:
    use(engine)

    seen = pool.snapshot()

    assert set(seen) == GAUGES | COUNTERS | HISTOGRAMS | TIMES
    assert json.loads(json.dumps(seen))["size"] == 2
    assert set(seen["wait_time"]) == {"buckets", "count", "sum_seconds"}


def test_gauges_and_counters_of_a_few_loans(engine: Engine, pool: SteadyPool) -> None:
    with engine.connect(), engine.connect():
        seen = pool.snapshot()
        assert (seen["in_use"], seen["idle"], seen["opened"], seen["breaker"]) == (2, 0, 2, "closed")
    use(engine)

    seen = pool.snapshot()
    assert (seen["in_use"], seen["idle"], seen["opened"], seen["acquired"]) == (0, 2, 2, 3)
    assert (seen["wait_time"]["count"], seen["use_time"]["count"], seen["create_time"]["count"]) == (3, 3, 2)
    assert (seen["closed"], seen["retried"], seen["leaked"]) == ({}, 0, 0)


def test_a_close_is_counted_with_its_reason(engine: Engine, pool: SteadyPool) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    with engine.connect() as connection:
        connection.detach()
    with engine.connect() as connection:
        connection.invalidate()

    assert pool.snapshot()["closed"] == {"changed": 1, "detached": 1, "error": 1}
    assert pool.snapshot()["idle"] == 0


def test_time_in_which_no_statement_ran_is_idle_ratio(engine: Engine, pool: SteadyPool) -> None:
    assert pool.snapshot()["idle_ratio"] is None
    with engine.connect() as connection:
        connection.execute(A_ROW).all()
        time.sleep(0.2)

    seen = pool.snapshot()
    assert seen["connection_seconds"] > 0.2
    assert 0 < seen["busy_seconds"] < seen["connection_seconds"] - 0.2
    assert seen["idle_ratio"] == pytest.approx(1 - seen["busy_seconds"] / seen["connection_seconds"], abs=0.01)
