"""What is said to a request that waited too long for a thread; `serving/worker.py` sends it, past Flask."""

from functools import lru_cache
from time import monotonic

import structlog
from flask import Flask

from app.errors import MACHINE_PATHS, RETRY_AFTER_SECONDS, Problem
from app.operations.metrics import count_refused
from app.security import HEADERS

LOGGED_EVERY_SECONDS = 1.0

log = structlog.stdlib.get_logger(__name__)


class Refusals:
    """The answers of one application, each made once: nothing that a client may write decides how it is made."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._refused, self._logged = 0, 0.0
        self._made = lru_cache(maxsize=256)(self._make)

    def answer(self, method: str, path: str, accept: str) -> bytes:
        """Return the whole answer, from the status line on, as this client wants it."""
        head, body = self._made("/api/" if MACHINE_PATHS.match(path.partition("?")[0]) else "/", accept)
        return head if method == "HEAD" else head + body

    def note(self, method: str, waited: float) -> None:
        """Count one that waited for so many seconds; the log has a line a second."""
        count_refused(self._app, method, waited)
        self._refused += 1
        now = monotonic()
        if now - self._logged > LOGGED_EVERY_SECONDS:
            self._logged = now
            log.warning("overloaded: no thread was free in time", refused=self._refused, waited=round(waited, 2))

    def _make(self, path: str, accept: str) -> tuple[bytes, bytes]:
        told = Problem("overloaded", "Too much is asked at the moment.", {"Retry-After": str(RETRY_AFTER_SECONDS)})
        with self._app.test_request_context(path, headers={"Accept": accept}):
            answer = self._app.make_response(self._app.handle_user_exception(told))
        lines = [f"{name}: {value}" for name, value in [*answer.headers, *HEADERS]]
        return "\r\n".join([f"HTTP/1.1 {answer.status}", *lines, "", ""]).encode("latin-1"), answer.get_data()


def init_app(app: Flask) -> None:
    """Have them at hand."""
    app.extensions["refusals"] = Refusals(app)
