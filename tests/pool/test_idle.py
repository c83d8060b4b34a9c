"""The connections that nobody uses: kept in order, and none lost that comes back at a bad moment."""

from __future__ import annotations

from typing import Any

from steadypool.core.idle import IdleStack
from steadypool.core.loan import Link, Loan
from steadypool.core.stats import CloseReason, Stats


class Record(str):
    """A connection, as far as it matters here."""

    __slots__ = ("info",)
    info: dict[str, Any]

    def __new__(cls, name: str) -> Record:
        made = super().__new__(cls, name)
        made.info = {"link": Link(Stats(), None, opened=0.0, used=0.0, expires=1.0)}
        return made


def stack_of(*names: str, most: int = 8) -> Any:
    """Return an `IdleStack`; of no type, for what lies in it is of another than it says."""
    stack: Any = IdleStack(most)
    for name in names:
        assert stack.push(Record(name))
    return stack


def a_loan() -> Loan:
    return Loan(Stats(), asked=0.0, deadline=None)


def all_of(stack: IdleStack) -> list[object]:
    """Take all out, the one that was used last first."""
    return [stack.pop(a_loan()) for _ in range(len(stack))]


def test_what_is_unneeded_is_taken_out_and_the_rest_stays_in_order() -> None:
    stack, asked = stack_of("a", "b", "c", "d"), list[tuple[Record, bool]]()

    def why(record: Record, better_is_kept: bool) -> CloseReason | None:
        asked.append((record, better_is_kept))
        return "idle" if record in "bd" else None

    assert stack.sort_out(why) == [("d", "idle"), ("b", "idle")]
    assert asked == [("d", False), ("c", False), ("b", True), ("a", True)]
    assert all_of(stack) == ["c", "a"]


def test_what_comes_back_while_it_is_sorted_out_is_not_lost() -> None:
    """The garbage collector may return a forgotten connection at any time, in the same thread."""
    stack = stack_of("a", "b", "c")

    def why(record: Record, _: bool) -> CloseReason | None:
        if record == "b":
            assert stack.push(Record("late"))
        return "idle" if record == "b" else None

    assert stack.sort_out(why) == [("b", "idle")]
    assert all_of(stack) == ["late", "c", "a"]


def test_a_connection_is_its_borrowers_until_it_is_back() -> None:
    stack, loan = stack_of("a"), a_loan()
    record = stack.pop(loan)
    assert loan.has_connection
    assert stack.claim(loan) is record

    stack.push(record)

    assert not loan.has_connection
    assert stack.claim(loan) is None
    assert all_of(stack) == ["a"]


def test_what_was_taken_by_half_is_one_loans_alone() -> None:
    """An interruption between the steps of `pop`: it belongs to a loan, and lies here still, for others to take."""
    stack, interrupted, other = stack_of("a"), a_loan(), a_loan()
    (record,) = stack.all()
    record.info["link"].loan, interrupted.record = interrupted, record

    assert stack.pop(other) is record

    assert stack.claim(interrupted) is None
    assert stack.claim(other) is record


def test_what_is_claimed_does_not_lie_here_any_more() -> None:
    stack, interrupted = stack_of("a"), a_loan()
    (record,) = stack.all()
    record.info["link"].loan, interrupted.record = interrupted, record

    assert stack.claim(interrupted) is record
    assert len(stack) == 0


def test_after_closing_none_is_kept() -> None:
    stack = stack_of("a", "b")

    assert list(stack.close()) == ["b", "a"]
    assert not stack.push(Record("c"))
