"""Many clients at once: threads that ask an application for random cities, and know the right answers.

Every other one asks for JSON: a line of text takes the shortest way to the database, all else the usual one.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from flask import Flask

from tests.support import cities

EXPECTED = cities.first_ids()
NAMES = list(EXPECTED)
LONGEST_JOIN_SECONDS = 30


class Answer(NamedTuple):
    """What a client got for a name, how long it took, and when (monotonic) it had it."""

    status: int
    seconds: float
    asked: str
    text: str
    at: float

    @property
    def is_wrong(self) -> bool:
        """Whether this is a 200 with another city's id."""
        found = re.fullmatch(r'City "(.*)" is #(\d+)\n', self.text, re.DOTALL)
        right = (self.asked, str(EXPECTED[self.asked]))
        return self.status == 200 and (found is None or found.groups() != right)


class Clients:
    """`number` threads in a closed loop; each asks again as soon as it has an answer."""

    def __init__(self, app: Flask, number: int, *, pause: float = 0.0, seed: int = 1, path: str = "/") -> None:
        self.app, self.number, self.pause, self.seed, self.path = app, number, pause, seed, path
        self.answers: list[Answer] = []
        self.stuck = 0
        self._over = threading.Event()

    def run(self, seconds: float) -> Clients:
        """Ask for so long, wait for the last answers, and return self."""
        with self.running():
            time.sleep(seconds)
        return self

    @contextmanager
    def running(self) -> Iterator[Clients]:
        """Ask during the block; at its end wait for the last answers. Threads that never got one are `stuck`."""
        self._over.clear()
        threads = [
            threading.Thread(target=self._ask, args=[n], name=f"client-{n}", daemon=True) for n in range(self.number)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            end = time.monotonic() + LONGEST_JOIN_SECONDS
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
            self.stuck = sum(thread.is_alive() for thread in threads)

    def ask_once(self) -> list[Answer]:
        """Let every client ask one thing, all at once; return the answers."""
        before = len(self.answers)
        with self.running():
            self._over.set()
        return self.answers[before:]

    @property
    def failed(self) -> list[Answer]:
        """The answers that are not 200."""
        return [answer for answer in self.answers if answer.status != 200]

    @property
    def wrong(self) -> list[Answer]:
        """The answers with another city's id. There must never be one."""
        return [answer for answer in self.answers if answer.is_wrong]

    @property
    def slowest(self) -> float:
        """The seconds of the slowest answer."""
        return max((answer.seconds for answer in self.answers), default=0.0)

    @property
    def statuses(self) -> Counter[int]:
        """How many answers had which status; 0 is an exception."""
        return Counter(answer.status for answer in self.answers)

    def _ask(self, number: int) -> None:
        choose, client = random.Random(self.seed * 1000 + number), self.app.test_client()
        accept = ("text/plain", "application/json")[number % 2]
        while True:
            name = choose.choice(NAMES)
            started = time.monotonic()
            try:
                response = client.get(self.path, query_string={"city": name}, headers={"Accept": accept})
                status, text = response.status_code, response.get_data(as_text=True)
                if response.is_json:
                    told = response.json
                    text = f'City "{told["query"]}" is #{told["id"]}\n' if status == 200 else f"{told['detail']}\n"
            except Exception as error:
                status, text = 0, repr(error)
            now = time.monotonic()
            self.answers.append(Answer(status, now - started, name, text, now))
            if self._over.wait(self.pause) if self.pause else self._over.is_set():
                return
