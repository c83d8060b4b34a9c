"""Keep-alive clients in a closed loop, which tell a lost request from one that HTTP lets them send again."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from testkit.clients import Clients, Question, Request
from testkit.kept_alive import NOT_BEGUN, KeptAlive
from tests.support.asking import PATH


@dataclass
class Tally:
    """What became of the requests."""

    answered: int
    not_begun: int  # a fresh connection was refused, or closed before a byte of the answer came
    failed: list[str]


class Visitors(Clients):
    """So many threads, each with a connection that it keeps, asking for random names until they are told to stop.

    Between two requests each pauses for up to `pause` seconds.
    """

    def __init__(self, port: int, count: int = 8, pause: float = 0) -> None:
        super().__init__(lambda: KeptAlive(port, seconds=10), pause=(0, pause))
        self._count, self._running = count, ExitStack()

    def __enter__(self) -> Self:
        self._running.enter_context(self.asking(self._count, _choose))
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()
        assert not self.stuck

    @property
    def tally(self) -> Tally:
        """Count what there is so far."""
        answers = self.answers
        not_begun = [answer for answer in answers if isinstance(answer.error, NOT_BEGUN)]
        failed = [answer for answer in answers if answer.status != 200 or answer.is_wrong]
        return Tally(self._answered(), len(not_begun), [_told(answer) for answer in failed if answer not in not_begun])

    def wait_for(self, answers: int, seconds: float = 15) -> None:
        """Return once so many more requests have been answered."""
        enough, end = self._answered() + answers, time.monotonic() + seconds
        while self._answered() < enough:
            assert time.monotonic() < end, self.tally
            time.sleep(0.02)

    def _answered(self) -> int:
        return sum(request.status != 0 for request in list(self.requests))


def _choose(_: int, dice: random.Random) -> Question:
    name = f"Anna {dice.randrange(1000)}"
    return Question(f"{PATH}?name={quote(name)}", name, name)


def _told(answer: Request) -> str:
    return f"{answer.question.about}: {answer.status or ''} {answer.text}"
