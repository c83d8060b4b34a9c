"""What is used of Gunicorn's objects, which have no types."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from flask import Flask


class Worker(Protocol):
    """What is used of Gunicorn's workers, and the number that each is given here."""

    age: int  # 1 for the first one that this arbiter has started, 2 for the next
    cfg: Any
    log: logging.Logger  # a class of its own, with the same methods
    sockets: Sequence[object]
    wsgi: "Flask"
    SIGNALS: list[int]
    number: int


class Refuser(Protocol):
    """What is used of what the application says to those who are refused."""

    def answer(self, method: str, path: str, accept: str) -> bytes:
        """Return it, from the status line on."""

    def note(self, method: str, waited: float) -> None:
        """Count one, after so many seconds in the queue."""


class Arbiter(Protocol):
    """What is used of Gunicorn's arbiter."""

    address: Sequence[object]
    app: Any
    handle_hup: Callable[[], None]
    handle_term: Callable[[], None]
    log: logging.Logger
    LISTENERS: Sequence[Any]
    WORKERS: Mapping[int, Worker]
