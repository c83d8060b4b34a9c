"""The least that a program does with the pool: it looks titles up within its deadline, and says what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import bindparam, select

from steadypool import (
    DeadlineExceededError,
    Lookup,
    OutcomeUnknownError,
    PoolExhaustedError,
    PoolPolicy,
    SteadyPool,
    create_pool_engine,
    deadline,
    is_busy,
    is_unavailable,
    read,
    unwrapped,
)
from testkit import inside
from testkit.clients import Question
from tests.pool import library
from tests.pool.tables import Book
from tests.support.pools import steady

BY_TITLE = Lookup(select(Book.book_id).where(Book.title == bindparam("title")).order_by(Book.book_id).limit(1))
WAYS = ("lookup", "read")
REFUSED = {"exhausted", "down", "busy"}
"""What may be asked again soon."""


class Answer(NamedTuple):
    """What came of it, in a word, and the number of the book."""

    word: str
    number: int | None = None


FOUND = Answer("found", library.NUMBERS[library.ONE])
"""What is right to a question that says no title."""


class Service:
    """Two engines on a library: one reads, one writes. Tests may give it something else to do."""

    def __init__(self, url: str, policy: PoolPolicy, *, writer_size: int = 2, writer_url: str = "") -> None:
        self.policy = policy
        self.reader = create_pool_engine(url, policy, role="reader")
        self.writer = create_pool_engine(writer_url or url, replace(policy, size=writer_size))
        self.look_up: Callable[[str, str], int | None] = self._look_up
        self.patience: Callable[[], float] = lambda: policy.deadline_seconds

    @property
    def pool(self) -> SteadyPool:
        """The reader's pool."""
        return steady(self.reader)

    def ask(self, title: str = library.ONE, by: str = "lookup") -> Answer:
        """Look a title up, and tell what came of it."""
        numbers: list[int | None] = []
        word = self.do(lambda: numbers.append(self.look_up(title, by)))
        number = numbers[0] if word == "done" else None
        return Answer(word if word != "done" else "not found" if number is None else "found", number)

    def do(self, work: Callable[[], object]) -> str:
        """Do some work within the deadline, and tell what came of it; what no database says is raised."""
        try:
            with deadline.within(self.patience()):
                work()
        except Exception as error:
            return word_for(error)
        return "done"

    def dispose(self) -> None:
        """Close every connection."""
        self.reader.dispose()
        self.writer.dispose()

    def _look_up(self, title: str, by: str) -> int | None:
        if by == "lookup":
            rows = BY_TITLE.fetch(self.reader, title=title)
        else:
            rows = read(self.reader, lambda connection: connection.execute(BY_TITLE.statement, {"title": title}).all())
        return rows[0][0] if rows else None


def word_for(raised: Exception) -> str:
    """Return a word for an error, or raise what is none of the pool's or of the database's."""
    error = unwrapped(raised)
    if isinstance(error, PoolExhaustedError):
        return "exhausted"
    if isinstance(error, DeadlineExceededError):
        return "too slow"
    if isinstance(error, OutcomeUnknownError):
        return "unknown"
    if is_busy(error):
        return "busy"
    if is_unavailable(error):
        return "down"
    raise raised


class Inside:
    """A client's way to a service."""

    def __init__(self, service: Service, work: Callable[[], object] | None = None) -> None:
        self._service, self._work = service, work

    def ask(self, question: Question) -> tuple[str, str]:
        """Return what came of it, and the answer."""
        if self._work:
            return self._service.do(self._work), ""
        word, number = self._service.ask(question.about, question.path)
        return word, f'"{question.about}" is #{number}'

    def close(self) -> None:
        """There is nothing to close."""


class Clients(inside.Clients):
    """`number` clients of a service, who ask for random titles and know the right answers.

    Every other one takes the shortest way to the database, the others the usual one; or all do the same `work`.
    """

    def __init__(
        self,
        service: Service,
        number: int,
        *,
        pause: float = 0.0,
        seed: int = 1,
        work: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(lambda: Inside(service, work), self._ask_for_a_title, number, pause=pause, seed=seed)
        self._work = work

    def _ask_for_a_title(self, number: int, dice: random.Random) -> Question:
        title = dice.choice(library.NAMES)
        return Question(WAYS[number % 2], title, "" if self._work else library.answer(title))
