"""One history of all workers, put together while some of them are still to tell of the newest moment."""

from __future__ import annotations

import pytest

from app.operations.overview import _over_all
from app.operations.reports import Sample


def history(*ticks: int) -> list[Sample]:
    return [Sample(tick, {"reader": {"size": 8}}) for tick in ticks]


@pytest.mark.parametrize(
    ("one", "other", "sizes"),
    [
        pytest.param([1, 2, 3], [1, 2, 3], {1: 16, 2: 16, 3: 16}, id="all have told"),
        pytest.param([1, 2, 3], [1, 2], {1: 16, 2: 16}, id="one is still to tell"),
        pytest.param([1, 2, 3, 4], [1, 2], {1: 16, 2: 16, 3: 8, 4: 8}, id="one has ended"),
        pytest.param([1, 2, 3], [3], {1: 8, 2: 8, 3: 16}, id="one has just begun"),
        pytest.param([3], [], {3: 8}, id="the first of all"),
        pytest.param([], [], {}, id="nobody"),
    ],
)
def test_a_moment_counts_when_all_have_told_of_it(one: list[int], other: list[int], sizes: dict[int, int]) -> None:
    told = _over_all([history(*one), history(*other)])

    assert {sample.tick: sample.pools["reader"].get("size", 0) for sample in told} == sizes
