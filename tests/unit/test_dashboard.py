"""What the dashboard says first: what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from app.operations import dashboard, totals
from app.operations.overview import COUNTERS

NOW = {"size": 8, "in_use": 0, "idle": 0, "pending": 0, "breaker": "closed"}


def said(*, now: dict[str, Any] | None = None, recent: dict[str, Any] | None = None, **more: Any) -> list[Any]:
    """Return what is said of a quiet pool with what differs, in one of two workers."""
    seen = NOW | (now or {})
    pool = {"now": seen, "recent": dict.fromkeys(COUNTERS, 0) | (recent or {}), "history": more.pop("history", [])}
    workers = [{"worker": 1, "heard_seconds_ago": 0.1, "pools": {"reader": each}} for each in (seen, NOW)]
    return list(dashboard.notices({"workers": workers, "pools": {"reader": pool}, "budgets": []} | more))


def test_where_all_is_well_nothing_is_said() -> None:
    assert said() == []


@pytest.mark.parametrize(("state", "level"), [("open", "bad"), ("half-open", "warn")])
def test_a_breaker_that_is_not_closed_is_said_with_its_workers(state: str, level: str) -> None:
    [(said_level, text)] = said(now={"breaker": state})

    assert said_level == level
    assert text.startswith(f"The reader's breaker is {state} in 1 of 2 workers: ")


@pytest.mark.parametrize(
    ("differing", "text"),
    [
        ({"now": {"pending": 3}}, "3 threads wait for a reader connection; all are in use."),
        ({"recent": {"rejected": 1000}}, "1,000 requests were refused a reader connection: too many waited already."),
        ({"recent": {"timeouts": 1}}, "1 requests waited for a reader connection in vain."),
        ({"recent": {"unavailable": 3}}, "3 requests were turned away: the reader's database did not answer."),
        ({"recent": {"statement_timeouts": 4}}, "4 statements of the reader ran out of time."),
        ({"recent": {"unknown_outcomes": 2}}, "2 COMMITs of the reader had no answer: kept or not, only a look tells."),
        ({"recent": {"conflicts": 5}}, "5 statements of the reader met rows or files that others held."),
        ({"recent": {"leaked": 2}}, "2 reader connections were not returned; the log has where."),
        ({"recent": {"orphaned": 3}}, "3 statements of the reader were cut and may go on at the server."),
        (
            {"history": [{"breaker": "open"}, {"breaker": "closed"}, {"breaker": "open"}]},
            "The reader's breaker was open for about 10 s; now it is closed.",
        ),
        (
            {"budgets": [{"arithmetic": "2 x 8 = 16", "remedy": "lower WORKERS"}]},
            "The connection budget does not fit: 2 x 8 = 16; lower WORKERS.",
        ),
        (
            {"workers": [{"worker": 7, "heard_seconds_ago": 4.2, "pools": {}}]},
            "Worker 7 has not reported for 4.2 s.",
        ),
    ],
)
def test_what_wants_a_look_is_said(differing: dict[str, Any], text: str) -> None:
    assert said(**differing) == [("warn", text)]


def test_every_state_of_the_breaker_has_words() -> None:
    assert set(dashboard.BREAKER) == set(totals.STATES)
