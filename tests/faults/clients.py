"""Many clients at once in the application's own process, who ask for random titles and know the right answers.

Every other one asks for JSON: a line of text takes the shortest way to the database, all else the usual one.
"""

from __future__ import annotations

import random
from urllib.parse import quote

from flask import Flask

from testkit import inside
from testkit.clients import Question
from tests.faults.shelf import PATH
from tests.pool import library

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
        return response.status_code, f'"{told["query"]}" is #{told["id"]}\n' if is_found else f"{told['detail']}\n"

    def close(self) -> None:
        """There is nothing to close."""


class Clients(inside.Clients):
    """`number` clients of an application; each asks again as soon as it has an answer, or after a pause."""

    def __init__(self, app: Flask, number: int, *, pause: float = 0.0, seed: int = 1) -> None:
        super().__init__(lambda: Inside(app), self._ask_for_a_title, number, pause=pause, seed=seed)

    def _ask_for_a_title(self, number: int, dice: random.Random) -> Question:
        title = dice.choice(library.NAMES)
        return Question(f"{PATH}?title={quote(title)}", title, library.answer(title), accept=ACCEPTED[number % 2])
