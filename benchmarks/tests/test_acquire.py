"""What acquire and release cost is counted, and so is the package; the time is compared with QueuePool's in one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from benchmarks import limits
from benchmarks.acquire import OURS, PACKAGE, PEER, Way, lock_sections, measure, our_pool, own_calls, ways
from benchmarks.lines import Sizes, lines_of_code, sizes_of

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 250, 40


@pytest.fixture(scope="module")
def each() -> Iterator[dict[str, Way]]:
    with ways() as made:
        yield made


@pytest.fixture(scope="module")
def sizes() -> Sizes:
    return sizes_of(PACKAGE)


def test_acquire_and_release_call_few_functions_in_few_files(each: dict[str, Way]) -> None:
    calls = own_calls(each[OURS])

    assert calls.total() <= limits.ACQUIRE_CALLS, calls
    assert len({place.partition(":")[0] for place in calls}) <= limits.ACQUIRE_FILES, calls
    assert "pool.py:connect" in calls


def test_acquire_and_release_take_few_locks() -> None:
    with our_pool() as pool:
        sections = lock_sections(pool)

    assert 2 <= sections.total() <= limits.ACQUIRE_LOCK_SECTIONS, sections


def test_acquire_and_release_take_little_cpu(each: dict[str, Way]) -> None:
    times = measure({name: each[name] for name in (OURS, PEER)}, rounds=60)

    assert times[OURS] <= limits.ACQUIRE_CPU_BESIDE_QUEUE_POOL * times[PEER], times


def test_a_warm_one_opens_nothing() -> None:
    with our_pool() as pool:
        lock_sections(pool)

        assert pool.snapshot()["opened"] == 1


def test_no_file_is_long(sizes: Sizes) -> None:
    assert {name: lines for name, lines in sizes.files.items() if lines > MOST_LINES} == {}


def test_no_function_is_long(sizes: Sizes) -> None:
    assert {name: lines for name, lines in sizes.functions.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}


def test_lines_of_code_are_counted_without_what_is_said_of_them() -> None:
    said = '"""Said."""\n\n# said\nA = 1\n"""Said."""\n\n'
    function = 'def f() -> str:\n    """Said\n    on."""\n    return """x\n\ny"""\n'

    assert lines_of_code(said + function) == 1 + 1 + 3


def test_all_calls_are_ours() -> None:
    assert own_calls(lambda: None) == Counter()
