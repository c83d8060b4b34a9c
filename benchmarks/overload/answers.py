"""What came of each request, as the process that sends them writes it down and the one that counts reads it."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

GIVE_UP_SECONDS = 3.0
"""How long a client waits, from the moment at which its request was due."""

Kind = Literal["right", "wrong", "rejected", "rejected before", "failed", "lost", "gave up"]
"""`rejected`: the application said 503. `rejected before`: whoever stands before it did. `failed`: it said anything
else. `lost`: the connection broke, or there was none. `gave up`: no answer in time."""
KINDS: tuple[Kind, ...] = get_args(Kind)


class Answer(NamedTuple):
    """One request: when it was due and over, in seconds from the first phase's begin."""

    due: float
    ended: float
    kind: Kind
    inside: float | None
    """Seconds from the application's first line to the start of its answer; None where it said nothing."""


class Phase(NamedTuple):
    """A time in which so many clients ask without a pause, or so many requests a second are due at random moments."""

    seconds: float
    clients: int = 0
    rate: float = 0.0
