"""Exceptions out of nowhere, at any instant: nothing is lost of the pool. On SQLite; faults/ asks real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import storming


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "empty.sqlite3").touch()
    return f"sqlite:///{tmp_path}/empty.sqlite3"


@pytest.mark.long_form("2")
@pytest.mark.parametrize("seed", [1, 2])
def test_what_threads_meet_leaves_the_pool_whole(url: str, seed: int, request: pytest.FixtureRequest) -> None:
    times = 1000 if request.config.option.long else 300
    storming.run(url, url, "reader", "threads", times=times, seed=seed)


def test_what_signals_raise_leaves_the_pool_whole(url: str) -> None:
    storming.run(url, url, "reader", "signals", times=1000, seed=3)
