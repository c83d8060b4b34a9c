"""Leaving out a test for what cannot be had here: said loudly, and forbidden where all is required."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from testkit.servers import MissingError

REQUIRE_ALL = os.environ.get("REQUIRE_ALL", "") not in ("", "0")


def leave_out(name: str, error: MissingError) -> NoReturn:
    """Skip a test whose server cannot be had here, or fail it where all is required."""
    if REQUIRE_ALL:
        pytest.fail(f"{name} is required (REQUIRE_ALL) but {error}", pytrace=False)
    pytest.skip(f"{name}: {error}")
