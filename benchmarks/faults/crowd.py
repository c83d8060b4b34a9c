"""The clients of one stack: they keep their HTTP connection, ask for random cities or write, and check every answer."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import quote

from benchmarks import sakila
from testkit.clients import Choice, Clients, Question, Request
from testkit.kept_alive import KeptAlive

NAMES = [name for name in sakila.first_ids() if name.isascii() and "'" not in name]
"""The cities that are asked for: every stack folds these names alike."""
GIVEN_UP_SECONDS = 60
"""Longer than any incident: a hang is measured, not ended."""


class Crowd(Clients):
    """So many clients, each a thread with a connection that it keeps, pausing for a random while after each answer."""

    def __init__(self, port: int, pause: tuple[float, float], writers: int = 0, number: int = 16) -> None:
        super().__init__(lambda: KeptAlive(port, GIVEN_UP_SECONDS), pause=pause, seed=port)
        self.begin(number - writers, read)
        self.begin(writers, write_in_order)

    @contextmanager
    def visiting(self, path: str, clients: int) -> Iterator[None]:
        """Let more clients ask for this during the block; those under way at its end are not waited for."""
        with self._during(clients, other(path)):
            yield

    @contextmanager
    def writing(self, clients: int) -> Iterator[None]:
        """Let more clients write during the block."""
        with self._during(clients, write):
            yield

    def ask_once(self, path: str) -> None:
        """Ask for this, and do not wait for the answer."""
        self.begin(1, other(path), once=True)

    @contextmanager
    def _during(self, clients: int, choose: Choice) -> Iterator[None]:
        group = self.begin(clients, choose)
        yield
        group.end()


def read(_: int, dice: random.Random) -> Question:
    """Ask for a city. A city said to be unknown is a wrong answer, too."""
    name = dice.choice(NAMES)
    return Question(f"/?city={quote(name)}", name, sakila.answer(name))


def write(_: int, __: random.Random) -> Question:
    """Write what nobody else writes: it is judged by what was kept."""
    nonce = secrets.token_hex(10)
    return Question(f"/visits?nonce={nonce}", nonce, kind="write", accept="application/json")


def write_in_order(place: int, dice: random.Random) -> Question:
    """Write what others cannot get in the way of for good: all take the rows in the same order."""
    question = write(place, dice)
    return replace(question, path=f"{question.path}&rows=up")


def other(path: str) -> Choice:
    """Ask for this, which does not count."""
    return lambda _, __: Question(path, kind="other")


def in_words(request: Request) -> str:
    """Return in a few words what came of a request."""
    said = re.sub(r"<[^>]*>|\s+", " ", request.text).strip()
    return f"{request.kind} {request.status}: {said[:60]}"
