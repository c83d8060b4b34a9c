"""Many clients at once in the application's own process, who ask for random cities and know the right answers.

Every other one asks for JSON: a line of text takes the shortest way to the database, all else the usual one.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from flask import Flask

from testkit import cities, clients
from testkit.clients import LONGEST_JOIN_SECONDS, Question, Request

EXPECTED = cities.first_ids()
NAMES = list(EXPECTED)
ACCEPTED = ("text/plain", "application/json")


class Inside:
    """A way into an application that needs no network."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def ask(self, question: Question) -> tuple[int, str]:
        """Return status and text; what JSON says is put as the text would say it."""
        response = self._client.get(question.path, headers={"Accept": question.accept})
        if not response.is_json:
            return response.status_code, response.get_data(as_text=True)
        told = response.get_json()
        is_found = response.status_code == 200
        return response.status_code, f'City "{told["query"]}" is #{told["id"]}\n' if is_found else f"{told['detail']}\n"

    def close(self) -> None:
        """There is nothing to close."""


class Standstills:
    """When a thread that only sleeps came late: the machine was busy with others, or stood still."""

    BLINK_SECONDS = 0.01
    NOTED_SECONDS = 0.05

    def __init__(self) -> None:
        self._seen: list[tuple[float, float]] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Look out for them during the block."""
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=(over,), name="standstills", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def within(self, began: float, ended: float) -> float:
        """Return how many seconds between these two the machine took for itself."""
        return sum(max(0.0, min(end, ended) - max(begin, began)) for begin, end in self._seen)

    def _look(self, over: threading.Event) -> None:
        while not over.is_set():
            due = time.monotonic() + self.BLINK_SECONDS
            time.sleep(self.BLINK_SECONDS)
            if (now := time.monotonic()) - due > self.NOTED_SECONDS:
                self._seen.append((due, now))


class Clients(clients.Clients):
    """`number` clients of an application; each asks again as soon as it has an answer, or after a pause."""

    def __init__(self, app: Flask, number: int, *, pause: float = 0.0, seed: int = 1, path: str = "/") -> None:
        super().__init__(lambda: Inside(app), pause=(pause, pause), seed=seed)
        self.number, self.path = number, path
        self.standstills = Standstills()

    @property
    def slowest(self) -> float:
        """The seconds of the slowest answer, without those for which the machine itself stood still."""
        took = (
            answer.seconds - self.standstills.within(answer.began, answer.began + answer.seconds)
            for answer in self.answers
        )
        return max(took, default=0.0)

    def run(self, seconds: float) -> Clients:
        """Ask for so long, wait for the last answers, and return self."""
        with self.running():
            time.sleep(seconds)
        return self

    @contextmanager
    def running(self) -> Iterator[Clients]:
        """Ask during the block; at its end wait for the last answers. Threads that never got one are `stuck`."""
        with self.standstills.noted(), self.asking(self.number, self._choose):
            yield self

    def ask_once(self) -> list[Request]:
        """Let every client ask one thing, all at once; return the answers."""
        before = len(self.requests)
        self.stuck = self.begin(self.number, self._choose, once=True).wait(LONGEST_JOIN_SECONDS)
        return [request for request in self.requests[before:] if request.ended is not None]

    def _choose(self, number: int, dice: random.Random) -> Question:
        name = dice.choice(NAMES)
        right = cities.answer(name) if self.path == "/" else ""
        return Question(f"{self.path}?city={quote(name)}", name, right, accept=ACCEPTED[number % 2])
