"""A plugin of pytest that puts SteadyPool in QueuePool's place before SQLAlchemy's tests are imported.

What they read of QueuePool's private attributes is answered here, out of SteadyPool's own, so that what they look for
is looked for. Nothing of the behaviour is: methods are SteadyPool's.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import pool
from sqlalchemy.pool import impl

from steadypool.entry import Entry
from steadypool.pool import SteadyPool

OUTCOMES = "STEADYPOOL_OUTCOMES"
"""The environment variable that names the file for what became of each test."""


class QueuePool(SteadyPool):
    """SteadyPool as the tests know QueuePool: FIFO unless they say otherwise."""

    # A recreated pool has its own of these, as QueuePool has its own queue and lock; to the tests all else is one.
    slots: Any = None
    breaker: Any = None
    opener: Any = None
    rounds: Any = None
    came_back: Any = None
    second_tries: Any = None
    made = 0

    def __init__(
        self,
        creator: Any,
        pool_size: int = 5,
        max_overflow: int = 10,
        timeout: float | None = 30.0,
        use_lifo: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(creator, pool_size, max_overflow, timeout, use_lifo, **more)
        QueuePool.made += 1

    @property
    def _pool(self) -> Queue:
        return Queue(self)

    @property
    def _overflow(self) -> int:
        return len(self.slots.all()) - self.pool_size

    @property
    def _max_overflow(self) -> int:
        return self.max_overflow

    @_max_overflow.setter
    def _max_overflow(self, value: int) -> None:  # before the first use, by SQLAlchemy's fixture for engines
        self.max_overflow = value
        self._begin(self.stats)


class Queue:
    """QueuePool's queue of records."""

    def __init__(self, pool: QueuePool) -> None:
        self._slots, self.use_lifo = pool.slots, pool.use_lifo

    def empty(self) -> bool:
        return not self._slots.idle

    @property
    def queue(self) -> deque[Entry]:
        return deque(self._slots.idle)

    @queue.setter
    def queue(self, records: Iterable[Entry]) -> None:
        assert set(self._slots.idle) <= set(records)


for module in (sqlalchemy, pool, impl):
    vars(module)["QueuePool"] = QueuePool

outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        outcomes[report.nodeid] = (
            "failed" if "failed" in (report.outcome, outcomes.get(report.nodeid)) else report.outcome
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Of what each process saw, the first hears by `pytest_testnodedown`, and writes it down."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["pools"] = QueuePool.made
    else:
        Path(os.environ[OUTCOMES]).write_text(json.dumps({"outcomes": outcomes, "pools": QueuePool.made}))


def pytest_testnodedown(node: Any) -> None:
    QueuePool.made += node.workeroutput["pools"]
