"""A change of tables while the old and the new code are at work, as `docs/migrations.md` has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit.databases import Database
from tests.support.rolling import SIDE_BY_SIDE, example, follow

pytestmark = pytest.mark.timeout(300)  # eight steps, each of which waits for requests of all versions

on_mariadb = pytest.mark.parametrize("server", ["mariadb"], indirect=True)


@pytest.mark.long_form("mariadb")  # a cluster of it takes the same steps: tests/faults/test_galera.py
@pytest.mark.parametrize("server", ["mariadb", "mysql", "postgresql"], indirect=True)
def test_no_request_fails_in_any_step(empty_database: Database, tmp_path: Path) -> None:
    steps = example(SIDE_BY_SIDE)

    assert [step.kind for step in steps] == ["sql", "python"] * 4
    follow(steps, empty_database.url, tmp_path)


@pytest.mark.long_form("empty")
@on_mariadb
@pytest.mark.parametrize("left_out", [3, 5], ids=["backfill", "empty"])
def test_each_step_is_needed(empty_database: Database, tmp_path: Path, left_out: int) -> None:
    """The test above can fail."""
    steps = example(SIDE_BY_SIDE)
    del steps[left_out]

    with pytest.raises(AssertionError):
        follow(steps, empty_database.url, tmp_path)
