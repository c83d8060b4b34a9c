"""How much time a performance takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How long an incident takes, in seconds: the fault itself, and what is before and after it."""

    fault: float = 6.0
    before: float = 1.5
    after: float = 3.0
    together: int = 3
    """How many stacks it happens to at the same time; more would compete for the CPU, and be slow for that."""


FULL, QUICK = Pace(), Pace(fault=4.0, before=1.0, after=2.0, together=5)
ON_A_CLUSTER = Pace(fault=8.0, before=2.0)
"""Longer than a silent node is waited for by the others, 5 s and more."""
