"""The one rule by which a cell gets its colour, the same for every stack."""

from __future__ import annotations

from typing import Literal

from benchmarks.faults.outcome import Outcome

Colour = Literal["green", "yellow", "red"]

LONGEST_SECONDS = 3.5
"""This application's deadline, 3 s, and half a second for the answer to be made and sent."""
BACK_SECONDS = 1.0
HUNG_SECONDS = 5.0
"""A visitor has gone by then."""

RULE: dict[Colour, str] = {
    "green": "no request failed while the database was up (the first second after an outage aside: that is what the "
    "time to the first 200 is for), no answer was wrong, none took longer than "
    f"{LONGEST_SECONDS} s, the first 200 came within {BACK_SECONDS:.0f} s of the recovery, none was stuck at the end",
    "yellow": "anything else: requests failed or were slow, and it passed",
    "red": f"an answer was wrong, or a request was stuck at the end, or one took longer than {HUNG_SECONDS:.0f} s, or "
    "there was no 200 any more after the recovery",
}


def colour_of(outcome: Outcome) -> Colour:
    """Return the colour of a cell."""
    if is_bad(outcome):
        return "red"
    return "yellow" if shortcomings(outcome) else "green"


def is_bad(outcome: Outcome) -> bool:
    """Tell whether visitors were told untruths or left alone."""
    never_back = outcome.first_good_seconds is None
    return bool(outcome.wrong or outcome.stuck or never_back or outcome.worst_seconds > HUNG_SECONDS)


def shortcomings(outcome: Outcome) -> list[str]:
    """Return, in words, what keeps a cell from being green."""
    back = outcome.first_good_seconds
    found = {
        f"{outcome.failed_up} failed while the database was up": outcome.failed_up > 0,
        f"{outcome.wrong} wrong": outcome.wrong > 0,
        f"one took {outcome.worst_seconds:.1f} s": outcome.worst_seconds > LONGEST_SECONDS,
        "never back": back is None,
        f"back after {back or 0:.1f} s": back is not None and back > BACK_SECONDS,
        f"{outcome.stuck} stuck": outcome.stuck > 0,
    }
    return [words for words, is_so in found.items() if is_so]
