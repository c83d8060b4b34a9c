"""Many clients at once in the application's own process, who ask for random cities and know the right answers.

Every other one asks for JSON: a line of text takes the shortest way to the database, all else the usual one.
"""

from __future__ import annotations

import random
from urllib.parse import quote

from flask import Flask

from testkit import inside
from testkit.clients import Question
from tests.cities import sakila as cities

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


class Clients(inside.Clients):
    """`number` clients of an application; each asks again as soon as it has an answer, or after a pause."""

    def __init__(self, app: Flask, number: int, *, pause: float = 0.0, seed: int = 1, path: str = "/") -> None:
        super().__init__(lambda: Inside(app), self._ask_for_a_city, number, pause=pause, seed=seed)
        self.path = path

    def _ask_for_a_city(self, number: int, dice: random.Random) -> Question:
        name = dice.choice(NAMES)
        right = cities.answer(name) if self.path == "/" else ""
        return Question(f"{self.path}?city={quote(name)}", name, right, accept=ACCEPTED[number % 2])
