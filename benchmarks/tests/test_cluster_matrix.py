"""The cluster's fault matrix in short, for this application alone: what it promises while nodes fail one by one.

They all happen to the same cluster, one after the other. Without --long one of them stands for all: the others have
neighbours in tests/pool/faults/test_galera.py, on the pool alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from benchmarks.faults.cluster.incidents import INCIDENTS
from benchmarks.faults.cluster.remarks import REMARKS
from benchmarks.faults.cluster.rule import is_bad, shortcomings
from benchmarks.faults.pace import Pace
from testkit.leaving_out import leave_out
from testkit.servers import MissingError

if TYPE_CHECKING:
    from benchmarks.faults.cluster.stage import ClusterStage

# The others give a node that is silent up after five seconds.
SHORT = Pace(fault=6.0, before=1.0, after=2.0)
SHORT_FORM = pytest.mark.short_form("writer killed")


def titled(key: str) -> str:
    """Return a key as words: what picks the short form takes what is between hyphens for one."""
    return key.replace("-", " ")


@pytest.fixture(scope="module")
def stage() -> Iterator[ClusterStage]:
    """A cluster that is there for these tests."""
    if not find_spec("psutil"):
        leave_out("benchmarks", MissingError("psutil must be installed: ./run faults --help does so"))
    from benchmarks.faults.cluster.stage import new_cluster_stage

    with ExitStack() as closing:
        try:
            made = closing.enter_context(new_cluster_stage())
        except MissingError as error:
            leave_out("galera", error)
        yield made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("key", INCIDENTS, ids=titled)
@SHORT_FORM
def test_incident(stage: ClusterStage, key: str) -> None:
    outcome = stage.perform(INCIDENTS[key], ["ours"], SHORT)["ours"]

    assert outcome.reads > 20, "hardly anything was asked: the test shows nothing"
    assert outcome.writes > 5, "hardly anything was written: the test shows nothing"
    assert not is_bad(outcome), outcome
    if key not in REMARKS:
        assert shortcomings(outcome) == [], outcome
