"""The figures of a cell, from requests whose times and answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks import sakila
from benchmarks.faults.outcome import Outcome, Times, measure
from testkit.clients import Question, QuestionKind, Request

TIMES = Times(opened=10.0, recovered=16.0, closed=20.0, outages=[(11.0, 16.0)])
LONDON = sakila.answer("London")


def request(
    began: float, ended: float | None, status: int = 200, said: str = f"{LONDON}\n", kind: QuestionKind = "read"
) -> Request:
    about, right = ("London", LONDON) if kind == "read" else ("n1", "")
    return Request(Question("/", about, right, kind), began, ended, status, said)


def measured(*requests: Request, kept: Sequence[str] = (), cuts_writes: bool = False) -> Outcome:
    return measure(requests, TIMES, 3, kept, cuts_writes=cuts_writes)


def test_a_failure_belongs_to_the_outage_if_any_part_of_the_request_was_in_it() -> None:
    outcome = measured(
        request(10.1, 10.9, 500), request(10.9, 11.1, 500), request(15.9, 18.9, 503), request(12.0, 12.1, 503)
    )

    assert (outcome.failed_up, outcome.failed_down, outcome.failed_after) == (1, 3, 0)


def test_the_first_second_after_an_outage_is_counted_apart() -> None:
    outcome = measured(request(16.5, 16.6, 503), request(17.5, 17.6, 503))

    assert (outcome.failed_up, outcome.failed_down, outcome.failed_after) == (1, 0, 1)


def test_what_ended_before_the_fault_does_not_count_and_what_it_met_does() -> None:
    outcome = measured(request(9.0, 9.9, 500), request(9.5, 14.5), request(9.8, None))

    assert (outcome.asked, outcome.failed_up, outcome.stuck) == (2, 0, 1)


def test_a_request_without_an_answer_counts_until_the_end_and_is_stuck_if_it_met_the_fault() -> None:
    outcome = measured(request(12.0, None), request(19.9, None))

    assert outcome.worst_seconds == 8.0
    assert outcome.stuck == 1
    assert outcome.first_good_seconds is None


def test_the_first_good_answer_is_counted_from_the_recovery() -> None:
    outcome = measured(request(12.0, 15.0), request(15.0, 16.25), request(16.1, 16.5))

    assert outcome.first_good_seconds == 0.25


def test_another_citys_id_and_a_city_said_to_be_unknown_are_wrong() -> None:
    outcome = measured(request(17.1, 17.2, said='City "London" is #1\n'), request(17.1, 17.2, 404, "not found"))

    assert outcome.wrong == 2
    assert outcome.failed_up == 0


def test_a_write_is_wrong_if_kept_twice_or_promised_in_vain() -> None:
    once, never, twice = ["n1"], list[str](), ["n1", "n1"]
    good, bad = request(17.1, 17.2, kind="write"), request(17.1, 17.2, 500, kind="write")

    assert [measured(good, kept=kept).wrong for kept in (once, never, twice)] == [0, 1, 1]
    assert [measured(bad, kept=kept).wrong for kept in (once, never, twice)] == [0, 0, 1]


def test_a_write_whose_answer_the_fault_took_away_is_counted_apart() -> None:
    outcome = measured(request(17.1, 17.2, 500, kind="write"), request(18.1, 18.2, 500), cuts_writes=True)

    assert (outcome.writes_cut, outcome.failed_up) == (1, 1)


def test_writes_that_were_refused_must_come_back_too() -> None:
    times = replace(TIMES, outages=[], write_outages=[(11.0, 12.0)])
    reads, write = [request(16.0, 16.1)], request(14.0, 14.5, kind="write")

    assert measure(reads, times, 0, []).first_good_seconds is None
    assert measure([*reads, write], times, 0, ["n1"]).first_good_seconds == 2.5
