"""SQLAlchemy's own tests of QueuePool agree with SteadyPool, but for what is listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit import ROOT
from testkit.leaving_out import leave_out
from testkit.servers import MissingError
from tests.pool.sqlalchemy_differences import DIFFERENCES
from tests.pool.sqlalchemy_suite import Run, run_suite

TESTS_OF_THE_POOL = 151
"""How many there are in test_pool.py of SQLAlchemy 2.1.9."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, back_end: Path) -> Run:
    try:
        return run_suite(tmp_path_factory.mktemp("sqlalchemy"), back_end)
    except MissingError as error:
        leave_out("SQLAlchemy's tests", error)


@pytest.mark.timeout(300)
def test_all_pass_but_those_that_are_listed(run: Run) -> None:
    assert run.those("failed") == DIFFERENCES.keys(), run.said


def test_they_were_run_and_on_our_pool(run: Run) -> None:
    of_the_pool = {test for test in run.outcomes if test.startswith("test_pool.py::")}

    assert len(of_the_pool) >= TESTS_OF_THE_POOL
    assert of_the_pool.isdisjoint(run.those("skipped"))
    assert run.pools >= TESTS_OF_THE_POOL


def test_the_readme_says_how_many_differ() -> None:
    assert f"but for {len(DIFFERENCES)} whose reasons stand in a list" in (ROOT / "steadypool/README.md").read_text()
