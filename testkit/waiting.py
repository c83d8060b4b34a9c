"""Waiting for what happens in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def eventually(condition: Callable[[], Any], seconds: float = 20) -> bool:
    """Return whether this becomes true within so many seconds: by default more than a slow machine needs."""
    end = time.monotonic() + seconds
    while not (is_true := bool(condition())) and time.monotonic() < end:
        time.sleep(0.01)
    return is_true
