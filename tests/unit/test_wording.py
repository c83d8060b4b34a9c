"""How the dashboard writes numbers."""

from __future__ import annotations

from typing import get_args

import pytest

from app.operations import wording
from app.operations.totals import STATES
from steadypool.core.stats import CloseReason


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.000_000_4, "0 ms"),
        (0.000_012, "0.012 ms"),
        (0.0005, "0.5 ms"),
        (0.00532, "5.3 ms"),
        (0.25, "250 ms"),
        (1.0, "1 s"),
        (2.54, "2.5 s"),
        (42.4, "42 s"),
        (60, "1 min"),
        (185.9, "3 min 5 s"),
        (7_260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds: float | None, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, "–"), (0.001, "≤ 1 ms"), ("inf", "> 5 s")])
def test_a_percentile_is_a_bound(seconds: float | str | None, text: str) -> None:
    assert wording.bound(seconds) == text


@pytest.mark.parametrize(
    ("part", "text"), [(None, "–"), (0.0, "0 %"), (0.1234, "12.3 %"), (0.9999, "99.9 %"), (1, "100 %")]
)
def test_a_share_is_not_rounded_to_all(part: float | None, text: str) -> None:
    assert wording.share(part) == text


def test_thousands_are_apart() -> None:
    assert wording.number(1234567) == "1,234,567"


def test_every_state_and_every_reason_has_words() -> None:
    assert set(wording.BREAKER) == set(STATES)
    assert set(wording.REASONS) == set(get_args(CloseReason))
