"""Every stack of the comparison answers alike, and costs the database what the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.drivers import MYSQLDB

if TYPE_CHECKING:
    from benchmarks.bench.ground import Ground
    from benchmarks.bench.wire import Wire

COMMANDS = {
    "floor": 0,
    "floor-our-worker": 0,
    "raw": 1,
    "raw-our-worker": 1,
    "per-request": 4,  # two SETs, SELECT, QUIT
    "per-request-tls-off": 4,
    "persistent-db": 2,  # PING, SELECT
    "persistent-db-our-worker": 2,
    "pooled-db": 3,  # PING, SELECT, ROLLBACK
    "connector-pool": 9,  # four PINGs, RESET_CONNECTION, three SETs, SELECT
    "singleton-thread": 2,  # SELECT, ROLLBACK
    "flask-sqlalchemy": 3,  # SELECT, ROLLBACK of the session, ROLLBACK of the pool
    "flask-sqlalchemy-pre-ping": 4,
    "fastapi-async": 3,
    "ours": 1,
    "ours-as-shipped": 1,
    "ours-mysqlclient": 1,
    "ours-foreign": 1,
    "ours-request": 6,  # three SETs, SELECT @@wait_timeout, SELECT, QUIT
}

# It tidies up after the answer: the next request may find no connection free and open one more.
SPARE = {"fastapi-async": 0.5}


@pytest.fixture(scope="module")
def proxy(place: Ground) -> Iterator[Wire]:
    from benchmarks.bench.wire import Wire

    with Wire(place.url, watches=True) as started:
        yield started


@pytest.mark.long_form("off", "ping", "shipped", "worker")  # with another setting than their neighbours
@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=MYSQLDB.marks if key == "ours-mysqlclient" else ()) for key in COMMANDS]
)
def test_a_stack_answers_right_and_costs_so_many_commands(key: str, proxy: Wire, tmp_path: Path) -> None:
    from benchmarks.bench import wire, wrk
    from benchmarks.stacks import STACKS

    # One thread: what has one connection for each has opened it by then.
    with STACKS[key].start(proxy.url, tmp_path, threads=1) as running:
        assert wrk.check_by_hand(running.port) == ""
        assert len(running.workers()) == 1

        seen = wire.commands_per_answer(running.port, proxy, asked=20)

        assert seen == pytest.approx(COMMANDS[key], abs=SPARE.get(key, 0))


def test_every_stack_is_counted(bench_packages: None) -> None:
    from benchmarks.stacks import STACKS

    assert list(STACKS) == list(COMMANDS)
