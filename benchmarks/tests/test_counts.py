"""What an answer costs is counted, beside the raw limit's in the same run: work that is added is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import limits

if TYPE_CHECKING:
    from benchmarks.counts import Counts


@pytest.fixture(scope="module")
def both(bench_packages: None) -> dict[str, Counts]:
    from benchmarks import counts
    from testkit.leaving_out import leave_out
    from testkit.servers import MissingError

    try:
        return counts.both()
    except MissingError as error:
        leave_out("mariadb", error)


def test_an_answer_calls_few_functions(both: dict[str, Counts]) -> None:
    ours, raw = both["ours"], both["raw"]

    assert ours.calls <= (limits.ANSWER_CALLS or ours.calls), both
    assert raw.python_calls < ours.python_calls <= limits.ANSWER_PYTHON_CALLS_BESIDE_RAW * raw.python_calls, both


def test_an_answer_goes_through_few_of_our_files(both: dict[str, Counts]) -> None:
    assert 0 < both["ours"].own_calls <= limits.ANSWER_OWN_CALLS, both
    assert 0 < both["ours"].own_files <= limits.ANSWER_OWN_FILES, both


def test_an_answer_takes_few_locks(both: dict[str, Counts]) -> None:
    assert 2 <= both["ours"].lock_sections <= limits.ANSWER_LOCK_SECTIONS, both
    assert both["raw"].lock_sections == 0


def test_an_answer_seldom_lets_go_of_the_gil(both: dict[str, Counts]) -> None:
    assert 3 <= both["ours"].gil_releases <= limits.ANSWER_GIL_RELEASES < both["raw"].gil_releases, both


def test_an_answer_needs_little_memory(both: dict[str, Counts]) -> None:
    assert 0 < both["ours"].kilobytes <= limits.ANSWER_KILOBYTES, both
