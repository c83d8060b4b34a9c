"""What an error means: the table, which stands in the docs as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadypool.core.classify import TABLE, ErrorKind, Phase, classify
from steadypool.core.errors import DeadlineExceededError, OutcomeUnknownError
from steadypool.drivers.mysql import MySQL
from steadypool.drivers.postgresql import PostgreSQL
from steadypool.drivers.sqlite import SQLite

DOCS = Path(__file__).resolve().parents[2] / "docs" / "pool.md"
PHASES: tuple[Phase, ...] = ("statement", "commit")


def printed() -> str:
    """Return the table as the docs have it."""
    head = ["what went wrong", "its connection", "all others", "a read", "a unit of work", "COMMIT was", "counted"]
    rows = [head, ["---"] * len(head)]
    for kind in ErrorKind:
        verdict = TABLE[kind]
        rows.append(
            [
                f"`{kind.name}`: {kind.value}",
                "closed" if verdict.closes else "kept",
                "closed before their next use" if verdict.condemns else "kept",
                {"raise": "fails"}.get(verdict.read, f"is sent {verdict.read}"),
                {"raise": "fails"}.get(verdict.unit, f"is begun {verdict.unit}"),
                verdict.commit,
                f"`{verdict.counts}`" if verdict.counts else "",
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def test_the_table_stands_in_the_docs() -> None:
    text = DOCS.read_text()

    assert text.partition("<!-- classify -->\n")[2].partition("\n<!-- classify -->")[0] == printed(), printed()


def test_every_kind_has_a_row_and_every_code_a_kind() -> None:
    assert set(TABLE) == set(ErrorKind)
    assert {kind for driver in (MySQL, PostgreSQL, SQLite) for kind in driver.kinds.values()} <= set(ErrorKind)


@pytest.mark.parametrize("kind", ErrorKind)
def test_of_a_commit_is_known_that_it_was_refused_or_else_it_is_said_that_nobody_knows(kind: ErrorKind) -> None:
    verdict = classify(kind, "commit")

    assert (verdict.raises is OutcomeUnknownError) is (TABLE[kind].commit == "unknown")


@pytest.mark.parametrize("kind", ErrorKind)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("overdue", [False, True])
def test_nothing_is_sent_again_that_may_have_been_kept(kind: ErrorKind, phase: Phase, overdue: bool) -> None:
    verdict = classify(kind, phase, overdue=overdue)

    if verdict.unit != "raise":
        assert verdict.commit == "refused"
        assert verdict.raises is None
    if verdict.condemns:
        assert verdict.closes


@pytest.mark.parametrize("kind", ErrorKind)
def test_after_the_deadline_a_statement_has_run_out_of_time_unless_there_was_an_answer(kind: ErrorKind) -> None:
    verdict = classify(kind, "statement", overdue=True)

    assert (verdict.raises is DeadlineExceededError) is (kind is not ErrorKind.TRY_AGAIN)
    assert (verdict.counts == "statement_timeouts") is (kind is not ErrorKind.TRY_AGAIN)
    if kind is not ErrorKind.TRY_AGAIN:
        assert verdict.read == "raise"
