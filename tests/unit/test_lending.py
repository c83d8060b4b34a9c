"""What becomes of a loan when something goes wrong on the way to it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, literal, select, text

from app.pool import deadline
from app.pool.admission import Gate
from app.pool.errors import DatabaseDownError, DeadlineExceededError, PoolExhaustedError
from app.pool.lending import current, want_fresh

COUNT_FOR_A_WHILE = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9000000) SELECT sum(i) FROM n"
)
"""A few seconds, if nobody interrupts it."""


def raise_when_overdue(error: BaseException) -> Callable[..., None]:
    """Return a gate's `enter` before which the deadline passes, and then comes an error."""

    def enter(*_: object, **__: object) -> None:
        _, loan = current()
        end = time.monotonic() + 5
        while not loan.overdue:
            assert time.monotonic() < end, "the watchdog sleeps"
            time.sleep(0.01)
        raise error

    return enter


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(), SystemExit),
        (OSError("of the driver"), DatabaseDownError),
    ],
    ids=repr,
)
def test_after_the_deadline_only_an_error_is_put_down_to_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: BaseException, told: type[BaseException]
):
    monkeypatch.setattr(Gate, "enter", raise_when_overdue(error))

    with pytest.raises(told), deadline.within(0.05):
        engine.connect()


def test_a_wish_for_a_new_connection_ends_with_the_loan_that_was_refused(engine: Engine):
    engine.connect().close()
    breaker = engine.pool.breaker
    breaker.state, breaker.silent = "open", True

    want_fresh()
    with pytest.raises(DatabaseDownError):
        engine.connect()
    breaker.state, breaker.silent = "closed", False
    engine.connect().close()

    seen = engine.pool.snapshot()
    assert (seen["opened"], seen["closed"]) == (1, {})


def test_a_connection_in_the_place_of_another_is_cut_on_a_wire_of_its_own(engine: Engine):
    with engine.connect() as connection:
        connection.connection.invalidate(soft=True)  # to be replaced before its next use

    with pytest.raises(DeadlineExceededError), deadline.within(0.2), engine.connect() as connection:
        connection.execute(COUNT_FOR_A_WHILE).all()

    assert engine.pool.snapshot()["opened"] == 2


def test_who_never_returns_a_connection_loses_its_place_soon_after_the_deadline(make_engine: Callable[..., Engine]):
    engine = make_engine(size=1, max_overflow=0)
    with deadline.within(0.2):
        kept = engine.connect()
        kept.execute(select(literal(1)))

    with deadline.within(3):
        engine.connect().close()

    assert engine.pool.snapshot()["in_use"] == 0
    kept.close()
    assert engine.pool.snapshot()["in_use"] == 0
    with engine.connect(), deadline.within(0.1), pytest.raises(PoolExhaustedError):
        engine.connect()
