"""What the dashboard says first: what is wrong, and which connections are at work."""

from __future__ import annotations

from typing import Any

import pytest

from app.operations import panels
from app.operations.overview import COUNTERS
from app.operations.panels import Notice

NOW = {"size": 8, "in_use": 0, "idle": 0, "pending": 0, "breaker": "closed"}
RECENT: dict[str, Any] = {**dict.fromkeys(COUNTERS, 0), "closed": {}}


def document(*, now: dict[str, Any] | None = None, recent: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a quiet pool's, with what differs."""
    seen = NOW | (now or {})
    workers = [{"worker": 1, "heard_seconds_ago": 0.1, "pools": {"reader": seen}}]
    workers += [{"worker": 2, "heard_seconds_ago": 0.1, "pools": {"reader": NOW}}]
    pool = {"now": seen, "recent": RECENT | (recent or {}), "history": more.pop("history", [])}
    return {"workers": workers, "pools": {"reader": pool}, "connections": [], "budgets": [], **more}


def said(**differing: Any) -> list[Notice]:
    return list(panels.notices(document(**differing)))


def test_where_all_is_well_nothing_is_said() -> None:
    assert said() == []


@pytest.mark.parametrize(("state", "level"), [("open", "bad"), ("half-open", "warn")])
def test_a_breaker_that_is_not_closed_is_said_with_its_workers(state: str, level: str) -> None:
    [notice] = said(now={"breaker": state})

    assert notice.level == level
    assert notice.text.startswith(f"The reader's breaker is {state} in 1 of 2 workers: ")


def test_a_breaker_that_was_open_is_said_when_it_is_closed_again() -> None:
    history = [{"seconds_ago": 5 * ago, "breaker": "open"} for ago in (3, 2)]

    assert said(history=history) == [Notice("warn", "The reader's breaker was open for about 10 s; now it is closed.")]


@pytest.mark.parametrize(
    ("differing", "text"),
    [
        ({"now": {"pending": 3}}, "3 threads wait for a reader connection; all are in use."),
        (
            {"recent": {"rejected": 1000, "timeouts": 1}},
            "1,001 requests were refused a reader connection or waited in vain.",
        ),
        (
            {"recent": {"unavailable": 3}},
            "3 requests were turned away: the reader's database did not answer.",
        ),
        ({"recent": {"statement_timeouts": 4}}, "4 statements of the reader ran out of time."),
        ({"recent": {"conflicts": 5}}, "5 statements of the reader met rows or files that others held."),
        ({"recent": {"leaked": 2}}, "2 reader connections were not returned; the log has where."),
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
    assert said(**differing) == [Notice("warn", text)]


@pytest.mark.parametrize(
    "differing",
    [
        {"now": {"in_use": 1}},
        {"now": {"breaker": "half-open"}},
        {"recent": {"acquired": 1}},
        {"recent": {"closed": {"idle": 1}}},
    ],
)
def test_a_pool_rests_only_while_nothing_happens(differing: dict[str, Any]) -> None:
    assert panels.is_resting(document()["pools"]["reader"])
    assert not panels.is_resting(document(**differing)["pools"]["reader"])


def test_connections_at_work_come_first() -> None:
    short, long = ({"state": "in use", "held_seconds": seconds, "idle_seconds": 9} for seconds in (1, 5))
    made = {"state": "connecting", "held_seconds": 2}
    warm, cold = ({"state": "idle", "idle_seconds": seconds} for seconds in (0.1, 30))

    assert panels.in_use_first([cold, short, warm, made, long]) == [long, made, short, warm, cold]
