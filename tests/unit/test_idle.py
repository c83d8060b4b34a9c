"""The connections that nobody uses: kept in order, and none lost that comes back at a bad moment."""

from __future__ import annotations

from sqlalchemy.pool import ConnectionPoolEntry

from app.pool.idle import IdleStack
from app.pool.stats import CloseReason


def stack_of(*records: object, most: int = 8) -> IdleStack:
    stack = IdleStack(most)
    for record in records:
        assert stack.push(record)
    return stack


def all_of(stack: IdleStack) -> list[object]:
    """Take all out, the one that was used last first."""
    return [stack.pop() for _ in range(len(stack))]


def test_what_is_unneeded_is_taken_out_and_the_rest_stays_in_order():
    stack, asked = stack_of("a", "b", "c", "d"), []

    def why(record: ConnectionPoolEntry, better_is_kept: bool) -> CloseReason | None:
        asked.append((record, better_is_kept))
        return "idle" if record in "bd" else None

    assert stack.sort_out(why) == [("d", "idle"), ("b", "idle")]
    assert asked == [("d", False), ("c", False), ("b", True), ("a", True)]
    assert all_of(stack) == ["c", "a"]


def test_what_comes_back_while_it_is_sorted_out_is_not_lost():
    """The garbage collector may return a forgotten connection at any time, in the same thread."""
    stack = stack_of("a", "b", "c")

    def why(record: ConnectionPoolEntry, _: bool) -> CloseReason | None:
        if record == "b":
            assert stack.push("late")
        return "idle" if record == "b" else None

    assert stack.sort_out(why) == [("b", "idle")]
    assert all_of(stack) == ["late", "c", "a"]
