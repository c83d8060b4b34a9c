"""The figures of a cell of the cluster's matrix, from requests and nodes of which all is known; and its colour."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.faults.cluster.outcome import ClusterOutcome, Kept, measure
from benchmarks.faults.cluster.rule import colour_of, shortcomings
from benchmarks.faults.outcome import Interval, Times
from testkit.clients import Question, QuestionKind, Request

TIMES = Times(opened=10.0, recovered=20.0, closed=24.0)
UNKNOWN = '{"type":"/problems/outcome-unknown"}'
FLAWLESS = ClusterOutcome(
    reads=100,
    writes=30,
    failed_reads=0,
    failed_reads_down=3,
    refused=4,
    unknown=2,
    unnamed=0,
    lost=0,
    uneven=0,
    wrong=0,
    worst_seconds=3.1,
    write_outage_seconds=6.0,
    reads_back_seconds=0.3,
    writes_back_seconds=1.9,
    stuck=0,
)


def read(began: float, ended: float | None, status: int = 200) -> Request:
    return request("read", "London", began, ended, status, "")


def write(nonce: str, ended: float = 11.0, status: int = 200, said: str = "") -> Request:
    return request("write", nonce, ended - 0.1, ended, status, said)


def request(kind: QuestionKind, about: str, began: float, ended: float | None, status: int, said: str) -> Request:
    return Request(Question("/", about, "", kind), began, ended, status, said)


def measured(*requests: Request, on_nodes: tuple[str, ...] = ("", "", ""), times: Times = TIMES) -> ClusterOutcome:
    """Measure, with nodes that have a write for each letter."""
    return measure(requests, times, [Kept(Counter(nonces), (len(nonces),) * 2) for nonces in on_nodes])


def test_a_read_may_fail_only_while_no_node_answers_and_two_seconds_longer() -> None:
    times = replace(TIMES, outages=[(12.0, 15.0)])

    outcome = measured(
        read(11.0, 11.5, 503), read(14.0, 16.0, 503), read(16.9, 17.0, 503), read(17.1, 17.2, 503), times=times
    )

    assert (outcome.failed_reads, outcome.failed_reads_down) == (2, 2)


def test_a_write_is_lost_where_one_node_does_not_have_what_was_answered_with_200() -> None:
    outcome = measured(write("a"), write("b"), on_nodes=("ab", "ab", "a"))

    assert (outcome.lost, outcome.uneven) == (1, 1)


def test_nodes_are_uneven_that_have_a_write_twice_or_half() -> None:
    half, twice, whole = Kept(Counter("a"), (1, 0)), Kept(Counter("aa"), (2, 2)), Kept(Counter("a"), (1, 1))

    assert [measure([write("a")], TIMES, [kept] * 3).uneven for kept in (half, twice, whole)] == [3, 3, 0]


def test_a_write_that_failed_is_refused_or_unknown_and_unnamed_where_it_was_kept_all_the_same() -> None:
    failed = [
        write("a", status=503),
        write("b", status=500),
        write("c", status=500, said=UNKNOWN),
        write("d", status=500, said=UNKNOWN),
        write("e", status=0),
    ]

    outcome = measured(*failed, on_nodes=("bc",) * 3)

    assert (outcome.refused, outcome.unknown, outcome.unnamed) == (1, 3, 1)


@pytest.mark.parametrize(
    ("outages", "longest"),
    [
        ([], 9.0),
        ([(11.5, 14.0)], 6.0),
        ([(11.5, 14.0), (18.0, 19.0)], 4.0),
        ([(9.0, 30.0)], 0.0),
        ([(12.0, 15.0), (13.0, 14.0), (15.5, 30.0)], 1.0),
    ],
)
def test_the_longest_time_without_a_good_write_leaves_out_when_the_cluster_took_none(
    outages: list[Interval], longest: float
) -> None:
    times = replace(TIMES, write_outages=outages)

    outcome = measured(write("a"), write("b", ended=20.0), write("c", ended=23.0), on_nodes=("abc",) * 3, times=times)

    assert outcome.writes_back_seconds == longest


def test_whoever_has_no_answer_at_the_end_is_stuck_and_took_until_then() -> None:
    outcome = measured(read(12.0, None), read(23.9, None))

    assert (outcome.stuck, outcome.worst_seconds) == (1, 12.0)


@pytest.mark.parametrize(
    ("change", "colour"),
    [
        ({"failed_reads": 1}, "yellow"),
        ({"unnamed": 1}, "yellow"),
        ({"worst_seconds": 3.6}, "yellow"),
        ({"reads_back_seconds": 2.1}, "yellow"),
        ({"writes_back_seconds": 2.1}, "yellow"),
        ({"worst_seconds": 5.1}, "red"),
        ({"lost": 1}, "red"),
        ({"uneven": 1}, "red"),
        ({"wrong": 1}, "red"),
        ({"stuck": 1}, "red"),
    ],
)
def test_each_shortcoming_has_its_colour_and_its_words(change: dict[str, Any], colour: str) -> None:
    outcome = replace(FLAWLESS, **change)

    assert colour_of(FLAWLESS) == "green"
    assert colour_of(outcome) == colour
    assert len(shortcomings(outcome)) == 1
