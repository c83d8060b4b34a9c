"""A line for each request, and where the time of a slow one went; what people typed is in neither.

The access line has the path without the query. Probes and the dashboard are not logged, unless somebody is refused.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote

import structlog
from flask import Response
from structlog.typing import FilteringBoundLogger

from app.application import this_request
from app.logging import add_request_id, add_time, renderers, seconds_since_start
from config import Settings
from steadypool import deadline

ASKED_ALL_THE_TIME = frozenset({"/livez", "/readyz", "/metrics", "/pool"})
REFUSED = (401, 403)


def logging_answers(settings: Settings) -> Callable[[Response], Response]:
    """Return what logs an answer and passes it on."""
    return partial(_log, _logger(settings), settings)


class _StandardError:
    """Takes lines; one that cannot be written (a full disk, a reader that has gone) must not fail its request."""

    def info(self, line: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")

    warning = info


def _logger(settings: Settings) -> FilteringBoundLogger:
    """Return a logger for a line a request: the standard library's records would cost as much as the whole look-up."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        _StandardError(),
        processors=[add_request_id, structlog.processors.add_log_level, add_time, *renderers(settings)],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
    )
    return log.bind(logger="access")


def _log(log: FilteringBoundLogger, settings: Settings, response: Response) -> Response:
    seconds = seconds_since_start() or 0.0
    is_slow = 0 < settings.slow_request_seconds <= seconds
    if not (settings.access_log or is_slow):
        return response
    if this_request().path in ASKED_ALL_THE_TIME and response.status_code not in REFUSED:
        return response
    if settings.access_log:
        log.info("request", **_line(response, seconds))
    if is_slow:
        log.warning("slow request", **_line(response, seconds), **_rest(seconds))
    return response


def _line(response: Response, seconds: float) -> dict[str, Any]:
    asked = this_request()
    line = {
        "method": asked.method,
        "route": asked.url_rule.rule if asked.url_rule else None,
        "path": quote(asked.path),
        "status": response.status_code,
        "duration_ms": _ms(seconds),
        "bytes": 0 if asked.method == "HEAD" or response.status_code in (204, 304) else response.content_length,
    }
    if (due := deadline.current()) is not None and (spent := due.account).commands + spent.waited + spent.connecting:
        line |= {"database_ms": _ms(spent.busy), "pool_wait_ms": _ms(spent.waited), "commands": spent.commands}
    return line


def _rest(seconds: float) -> dict[str, float]:
    """Return what a slow request spent on making connections, and on neither a database nor a pool."""
    spent = deadline.Account() if (due := deadline.current()) is None else due.account
    return {
        "connect_ms": _ms(spent.connecting),
        "elsewhere_ms": _ms(max(0.0, seconds - spent.waited - spent.connecting - spent.busy)),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
