"""The one load client: threads that ask again and again, and note each request with its times and its answer.

What is asked, and over which way, is for those to say who use it: over HTTP (`kept_alive.py`), or inside one process.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, Self

LONGEST_JOIN_SECONDS = 30

QuestionKind = Literal["read", "write", "other"]

Status = int | str
"""What HTTP says of an answer, or a word where there is no HTTP; 0 is an exception."""
GOOD: tuple[Status, ...] = (200, "found", "done")
MISSING: tuple[Status, ...] = (404, "not found")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the one answer to it that is right, "" where any will do."""

    path: str
    about: str = ""
    right: str = ""
    kind: QuestionKind = "read"
    accept: str = ""


@dataclass(slots=True, eq=False)
class Request:
    """What was asked, when (monotonic), and what came of it; `ended` is None as long as nothing has."""

    question: Question
    began: float
    ended: float | None = None
    status: Status = 0
    text: str = ""
    """The answer, or the exception in its own words."""
    error: Exception | None = None

    @property
    def kind(self) -> QuestionKind:
        """Which kind of question it was."""
        return self.question.kind

    @property
    def seconds(self) -> float:
        """How long it took; infinity for what has no answer."""
        return float("inf") if self.ended is None else self.ended - self.began

    @property
    def is_wrong(self) -> bool:
        """Tell whether it is an answer, and not the one that is true: that what is there is missing as well."""
        is_told = self.status in GOOD or self.status in MISSING
        return bool(self.question.right) and is_told and self.text.strip() != self.question.right


class Way(Protocol):
    """How one client reaches whom it asks."""

    def ask(self, question: Question) -> tuple[Status, str]:
        """Return status and text; raise what went wrong."""

    def close(self) -> None:
        """Leave nothing open."""


Choice = Callable[[int, random.Random], Question]
"""What a client asks next, from its number and its dice."""


class Group:
    """Clients that began together."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.over = threading.Event()

    def end(self) -> None:
        """Let none of them ask anything new. Whoever waits for an answer waits on."""
        self.over.set()

    def wait(self, seconds: float) -> int:
        """Wait for the last answers; return how many clients never got one."""
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))
        return sum(thread.is_alive() for thread in self.threads)


class Clients:
    """Threads in closed loops, each with a way of its own; after an answer they pause for a random while."""

    def __init__(self, way: Callable[[], Way], *, pause: tuple[float, float] = (0.0, 0.0), seed: int = 1) -> None:
        self.pause, self.seed, self._way = pause, seed, way
        self.requests: list[Request] = []
        """In the order in which they began, those that have no answer as well."""
        self.stuck = 0
        """Clients that waited in vain when `asking` came to its end."""
        self._numbers, self._groups = itertools.count(), list[Group]()
        self._open = threading.Event()
        self._open.set()

    def begin(self, number: int, choose: Choice, *, once: bool = False) -> Group:
        """Let so many more clients ask until their group is ended, but at least once, or just `once`."""
        group = Group()
        self._groups.append(group)
        if once:
            group.end()
        for place in itertools.islice(self._numbers, number):
            arguments = (place, choose, group.over)
            group.threads.append(
                threading.Thread(target=self._go_on, args=arguments, name=f"client-{place}", daemon=True)
            )
        for thread in group.threads:
            thread.start()
        return group

    @contextmanager
    def asking(self, number: int, choose: Choice) -> Iterator[Self]:
        """Let so many clients ask during the block; at its end wait for the last answers."""
        group = self.begin(number, choose)
        try:
            yield self
        finally:
            group.end()
            self.stuck = group.wait(LONGEST_JOIN_SECONDS)

    def rest(self) -> None:
        """Let nobody ask anything new for a while."""
        self._open.clear()

    def go_on(self) -> None:
        """Let all ask again."""
        self._open.set()

    def end(self) -> None:
        """Let nobody ask anything new for good."""
        for group in self._groups:
            group.end()
        self._open.set()

    @property
    def answers(self) -> list[Request]:
        """The requests of which something has come."""
        return [request for request in list(self.requests) if request.ended is not None]

    def asked_after(self, moment: float) -> list[Request]:
        """Return the answers to what was asked after that (monotonic)."""
        return [answer for answer in self.answers if answer.began > moment]

    @property
    def failed(self) -> list[Request]:
        """The answers that are not good."""
        return [answer for answer in self.answers if answer.status not in GOOD]

    @property
    def wrong(self) -> list[Request]:
        """The answers that are not true. There must never be one."""
        return [answer for answer in self.answers if answer.is_wrong]

    @property
    def slowest(self) -> float:
        """The seconds of the slowest answer."""
        return max((answer.seconds for answer in self.answers), default=0.0)

    @property
    def statuses(self) -> Counter[Status]:
        """How many answers had which status."""
        return Counter(answer.status for answer in self.answers)

    def _go_on(self, number: int, choose: Choice, over: threading.Event) -> None:
        dice, way = random.Random(self.seed * 1000 + number), self._way()
        while True:
            self._ask_one(way, choose(number, dice))
            pause = dice.uniform(*self.pause)
            if over.wait(pause) if pause else over.is_set():
                break
            self._open.wait()
            if over.is_set():
                break
        way.close()

    def _ask_one(self, way: Way, question: Question) -> None:
        request = Request(question, time.monotonic())
        self.requests.append(request)
        try:
            request.status, request.text = way.ask(question)
        except Exception as error:
            request.text, request.error = repr(error), error
        request.ended = time.monotonic()
