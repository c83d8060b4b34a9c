"""The fault matrix in short, for this application alone: every incident, over HTTP, ends as the table promises.

Those that disturb no other happen side by side, each to an application of its own; then the rest, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

pytest.importorskip("psutil", reason="./run faults and ./run bench install what the stacks need")

from benchmarks.faults.outcome import Outcome
from benchmarks.faults.remarks import REMARKS
from benchmarks.faults.rule import is_bad, shortcomings
from benchmarks.faults.stage import Pace, Stage, new_stage
from tests.conftest import leave_out
from tests.faults.incidents import INCIDENTS
from tests.support.servers import MissingError

SHORT = Pace(fault=1.6, before=0.6, after=1.3)
# Longer than the deadline, or a hang would pass for patience.
LONG = replace(SHORT, fault=3.7)
SIDE_BY_SIDE = 6
ALONE = {key for key, each in INCIDENTS.items() if each.touches_server or each.one_at_a_time}
KEYS = sorted(INCIDENTS, key=lambda key: key in ALONE)


class Performances:
    """What the chosen incidents did, each performed once."""

    def __init__(self, stage: Stage, keys: Sequence[str], threads: ThreadPoolExecutor) -> None:
        self._stage = stage
        self._begun: dict[str, Future[Outcome]] = {
            key: threads.submit(self._perform, key) for key in keys if key not in ALONE
        }

    def of(self, key: str) -> Outcome:
        """Return what became of this application."""
        if key in self._begun:
            return self._begun[key].result()
        for other in self._begun.values():
            other.exception()  # they are over by then
        return self._perform(key)

    def _perform(self, key: str) -> Outcome:
        return self._stage.perform(INCIDENTS[key], ["ours"], LONG if INCIDENTS[key].hangs else SHORT)["ours"]


@pytest.fixture(scope="module")
def performances(request: pytest.FixtureRequest) -> Iterator[Performances]:
    """Begin those of the incidents whose tests were chosen."""
    chosen = [item.callspec.params["key"] for item in request.session.items if item.path == request.path]
    try:
        with new_stage() as stage, ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            yield Performances(stage, chosen, threads)
    except MissingError as error:
        leave_out("mariadb", error)


@pytest.mark.parametrize("key", KEYS)
def test_incident(performances: Performances, key: str):
    outcome = performances.of(key)

    assert outcome.asked > 50, "hardly anything was asked: the test shows nothing"
    assert not is_bad(outcome), outcome
    if key not in REMARKS:
        assert shortcomings(outcome) == [], outcome
