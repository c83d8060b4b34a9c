"""Clients that write, each time a unit of work of its own: what each was told is held against what was kept."""

from __future__ import annotations

import time
from collections import Counter
from typing import NamedTuple

from sqlalchemy import URL, Connection, Engine, select

from steadypool import in_transaction
from testkit.databases import plain_engine
from testkit.waiting import eventually
from tests.pool.service import Clients, word_for
from tests.support.ledger import Unit, ledger

FIRST_WRITE_SECONDS = 2.0
"""How long after the moment at which the servers take writes again ours may still be refused."""
ALLOWED = {"done": {1}, "unknown": {0, 1}}
"""How often a unit may be there, by what was said of it; after anything else it must not be."""


class Told(NamedTuple):
    """What was said of a unit, and when (monotonic); `times` is how often it was kept."""

    unit: Unit
    word: str
    moment: float
    times: int = -1


class LongUnit(Unit):
    """Takes its time between its two parts, so that faults find it in the middle."""

    SECONDS = 0.2

    def between(self, connection: Connection) -> None:
        super().between(connection)
        time.sleep(self.SECONDS)


class Writing:
    """Work for clients: it writes a unit, every other time a long one, and notes what became of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.told = engine, list[Told]()

    def __call__(self) -> None:
        unit = LongUnit() if len(self.told) % 2 else Unit()
        word = "done"
        try:
            in_transaction(self._engine, unit)
        except Exception as error:
            word = word_for(error)
            raise
        finally:
            self.told.append(Told(unit, word, time.monotonic()))

    def done_after(self, moment: float) -> list[float]:
        """Return when each unit was done that was so after that, the first one first."""
        return sorted(told.moment for told in self.told if told.word == "done" and told.moment > moment)

    def untrue(self, kept: Counter[str]) -> list[Told]:
        """Return all for which what was said does not fit how often the unit is there."""
        found = [told._replace(times=kept[told.unit.nonce]) for told in self.told]
        return [told for told in found if told.times not in ALLOWED.get(told.word, {0})]


def kept_at(url: str | URL) -> Counter[str]:
    """Return how often each unit is in the ledger there, as a whole."""
    engine = plain_engine(url)
    with engine.connect() as connection:
        parts = Counter((nonce, part) for nonce, part in connection.execute(select(ledger.c.nonce, ledger.c.part)))
    halves = [nonce for nonce, part in parts if parts[nonce, 0] != parts[nonce, 1]]
    assert halves == [], f"half-written: {halves}"
    return Counter({nonce: times for (nonce, part), times in parts.items() if part == 0})


def assert_a_write_soon_after(moment: float, writing: Writing, writers: Clients) -> None:
    assert eventually(lambda: writing.done_after(moment))
    first = writing.done_after(moment)[0]
    assert first - moment - writers.standstills.within(moment, first) < FIRST_WRITE_SECONDS


def assert_all_read(readers: Clients) -> None:
    assert len(readers.answers) > 100, "hardly anything was asked: the test shows nothing"
    assert set(readers.statuses) == {"found"}, readers.statuses
    assert readers.wrong == []
    assert readers.stuck == 0
