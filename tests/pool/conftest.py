"""Engines on an empty file, as short as can be."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from steadypool import Role, create_pool_engine
from testkit.leaving_out import leave_out
from testkit.servers import MissingError
from tests.pool.packages import installed_back_end
from tests.support.policies import POLICY

MakeEngine = Callable[..., Engine]


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[MakeEngine]:
    """Return an engine that keeps one connection, unless the policy says otherwise; on an empty SQLite file."""
    made: list[Engine] = []
    (tmp_path / "empty.sqlite3").touch()

    def make(role: Role = "reader", url: str = f"sqlite:///{tmp_path}/empty.sqlite3", **policy: Any) -> Engine:
        chosen = replace(POLICY, **policy)
        made.append(create_pool_engine(url, chosen, role=role))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def frozen() -> Iterator[None]:
    """Keep what is there already away from the garbage collector: it finds what a test forgets, and is quick."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine()


@pytest.fixture(scope="session")
def back_end(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What builds packages, as it is locked, in a folder for PYTHONPATH."""
    try:
        return installed_back_end(tmp_path_factory.mktemp("back-end"))
    except MissingError as error:
        leave_out("the back end that builds packages", error)
