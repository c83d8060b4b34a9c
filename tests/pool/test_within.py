"""A deadline lasts as long as its block, however the block is left."""

from __future__ import annotations

import gc
from collections.abc import Generator

from steadypool import deadline


def numbers(seconds: float) -> Generator[float]:
    with deadline.within(seconds) as own:
        while True:
            yield own.ends


def test_one_inside_another_is_never_later() -> None:
    with deadline.within(1) as outer:
        with deadline.within(5) as inner:
            assert deadline.current() is inner
            assert (inner.ends, inner.account) == (outer.ends, outer.account)
        assert deadline.current() is outer
    assert deadline.current() is None


def test_generators_that_are_run_in_turn_leave_none_behind() -> None:
    first, second = numbers(2), numbers(1)
    next(first)
    ends = next(second)

    first.close()
    assert (goes_on := deadline.current()) is not None
    assert goes_on.ends == ends
    second.close()

    assert deadline.current() is None


def test_one_whose_generator_is_forgotten_is_over() -> None:
    forgotten = numbers(2)
    next(forgotten)

    del forgotten
    gc.collect()

    assert deadline.current() is None


def test_the_same_block_may_be_entered_again() -> None:
    block = deadline.within(2)
    for _ in range(2):
        with block as own:
            assert deadline.current() is own
    assert deadline.current() is None
