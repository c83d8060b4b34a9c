"""How soon the next look at a replica comes."""

from __future__ import annotations

import pytest

from app.operations.lag import Lag


@pytest.mark.parametrize(
    ("seconds", "is_level", "pause"),
    [(None, False, 5), (0.1, True, 5), (0.2, False, 0.05), (2.0, False, 0.5), (600.0, False, 5)],
)
def test_who_is_behind_is_looked_at_again_soon(seconds: float | None, is_level: bool, pause: float) -> None:
    measured = Lag.__new__(Lag)
    measured.seconds, measured.is_level = seconds, is_level

    assert measured.pause_seconds == pause
