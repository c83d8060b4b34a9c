"""The fault matrix in short, for this application alone: every incident, over HTTP, ends as the table promises.

Incidents that disturb no other happen side by side, each to an application of its own. Those that do happen one by one
at the same time, on a second server.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from benchmarks.faults.incidents import INCIDENTS, Incident
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.pace import Pace
from benchmarks.faults.remarks import REMARKS
from benchmarks.faults.rule import is_bad, shortcomings
from testkit.leaving_out import leave_out
from testkit.servers import MissingError

if TYPE_CHECKING:
    from benchmarks.faults.server_stage import ServerStage

SHORT = Pace(fault=1.6, before=0.6, after=1.3)
# Longer than the deadline, or a hang would pass for patience.
LONG = Pace(fault=3.7, before=0.6, after=2.0)
SIDE_BY_SIDE = 5
# Each has a neighbour of its kind: killed, restarted, back, committed, accepted in silence, black hole.
NEIGHBOURS = ("reset", "crash", "forward", "insert", "syns", "paused")
# These happen one by one, and take the longest; their neighbours are in tests/: serve/test_lifecycle.py (reload,
# replaced), serve/test_fork.py, pool/faults/test_full.py and pool/faults/test_failover.py.
ELSEWHERE = ("reload", "replaced", "forked", "max", "failover")
LONG_FORM = pytest.mark.long_form(*NEIGHBOURS, *ELSEWHERE)


class Performances:
    """What the chosen incidents did, each performed once, in the background."""

    def __init__(self, keys: list[str], closing: ExitStack) -> None:
        from benchmarks.faults.server_stage import new_stage

        # The stages are closed after the threads have ended.
        shared, other = (closing.enter_context(new_stage()) for _ in range(2))
        many, one = (closing.enter_context(ThreadPoolExecutor(number)) for number in (SIDE_BY_SIDE, 1))
        self._begun: dict[str, Future[Outcome]] = {}
        for incident in map(INCIDENTS.__getitem__, keys):
            threads, stage = (one, other) if disturbs_others(incident) else (many, shared)
            self._begun[incident.key] = threads.submit(perform, stage, incident)

    def of(self, key: str) -> Outcome:
        """Return what became of this application."""
        return self._begun[key].result()


def disturbs_others(incident: Incident) -> bool:
    return incident.touches_server or incident.one_at_a_time


def perform(stage: ServerStage, incident: Incident) -> Outcome:
    return stage.perform(incident, ["ours"], LONG if incident.hangs else SHORT)["ours"]


@pytest.fixture(scope="module")
def performances(request: pytest.FixtureRequest) -> Iterator[Performances]:
    """Begin those of the incidents whose tests were chosen."""
    if not find_spec("psutil"):
        leave_out("benchmarks", MissingError("psutil must be installed: ./run faults --help does so"))
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    chosen = [str(item.callspec.params["key"]) for item in items]
    with ExitStack() as closing:
        try:
            begun = Performances(chosen, closing)
        except MissingError as error:
            leave_out("mariadb", error)
        yield begun


@pytest.mark.parametrize("key", INCIDENTS)
@LONG_FORM
def test_incident(performances: Performances, key: str) -> None:
    outcome = performances.of(key)

    assert outcome.asked > 20, "hardly anything was asked: the test shows nothing"
    assert not is_bad(outcome), outcome
    if key not in REMARKS:
        assert shortcomings(outcome) == [], outcome
