"""The colour of a cell follows the rule that the document states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.faults.outcome import Outcome
from benchmarks.faults.rule import colour_of, shortcomings

FLAWLESS = Outcome(
    asked=100,
    failed_up=0,
    failed_after=3,
    failed_down=20,
    writes_cut=4,
    wrong=0,
    worst_seconds=3.1,
    first_good_seconds=0.4,
    reconnects=8,
    stuck=0,
)


def test_what_fails_while_the_database_is_down_is_forgiven() -> None:
    assert colour_of(FLAWLESS) == "green"
    assert shortcomings(FLAWLESS) == []


@pytest.mark.parametrize(
    ("change", "colour"),
    [
        ({"failed_up": 1}, "yellow"),
        ({"worst_seconds": 3.6}, "yellow"),
        ({"first_good_seconds": 1.1}, "yellow"),
        ({"worst_seconds": 5.1}, "red"),
        ({"first_good_seconds": None}, "red"),
        ({"wrong": 1}, "red"),
        ({"stuck": 1}, "red"),
    ],
)
def test_each_shortcoming_has_its_colour_and_its_words(change: dict[str, Any], colour: str) -> None:
    outcome = replace(FLAWLESS, **change)

    assert colour_of(outcome) == colour
    assert len(shortcomings(outcome)) == 1
