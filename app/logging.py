"""One JSON line an event, the request id on each, for our log and everybody else's; nothing else knows the format.

A password in a database URL is blotted out of every line, whoever wrote it.
"""

import logging
import logging.config
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from io import StringIO
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from config import Settings, wants_colour

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SECRET = re.compile(r"(://[^:/?#\s]*:)[^@\s]+(?=@)|(\bpassword=)('[^']*'|\S+)", re.IGNORECASE)

# Not uuid4, which asks the kernel each time and so hands Python's lock to another thread.
DICE = Random()  # noqa: S311 -- an id is to be unique, not secret
os.register_at_fork(after_in_child=DICE.seed)

add_time = structlog.processors.TimeStamper(fmt="iso", utc=True)
_request: ContextVar[tuple[str, float] | None] = ContextVar("request", default=None)
"""The id of the request that this thread is busy with, and when it began."""


def configure(settings: Settings) -> None:
    """Send structlog, the standard library's loggers and warnings through one format."""
    logging.config.dictConfig(logging_config(settings))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logging_config(settings: Settings) -> dict[str, Any]:
    """Return the dictConfig for this process; Gunicorn takes it as `logconfig_dict`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "event": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *renderers(settings),
                ],
                "foreign_pre_chain": _shared(),
            }
        },
        # Standard error, so that what a command prints stays clean.
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event", "stream": "ext://sys.stderr"}},
        "root": {"level": settings.log_level.upper(), "handlers": ["stderr"]},
        "loggers": {
            name: {"level": "NOTSET", "handlers": [], "propagate": True}
            for name in ("gunicorn.error", "gunicorn.access", "py.warnings")
        },
    }


def request_id() -> str:
    """Return the id of the current request, "-" outside of one."""
    current = _request.get()
    return current[0] if current else "-"


def seconds_since_start() -> float | None:
    """Return for how long the current request has been with us, None outside of one."""
    current = _request.get()
    return perf_counter() - current[1] if current else None


def holder() -> Mapping[str, object]:
    """Return what a log line about this request's connection says of it."""
    current = _request.get()
    return {"request_id": current[0]} if current else {}


def redacted(line: str) -> str:
    """Return the line with the password of every database address in it blotted out."""
    if "://" not in line and "password=" not in line.lower():
        return line  # twenty times faster than to have the pattern say so
    return SECRET.sub(lambda found: f"{found[1] or found[2]}***", line)


def identified(wsgi_app: "WSGIApplication") -> "WSGIApplication":
    """Give each request its id: the one that it brings along, if that is a sane one, or a new one."""

    def with_id(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        incoming = environ.get("HTTP_X_REQUEST_ID", "")
        name = incoming if SANE_ID.fullmatch(incoming) else f"{DICE.getrandbits(128):032x}"

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, ("X-Request-ID", name)], *error)

        token = _request.set((name, perf_counter()))
        try:
            return wsgi_app(environ, start)
        finally:
            _request.reset(token)

    return with_id


def add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the id of the current request into an event (one of structlog's processors)."""
    if current := _request.get():
        event["request_id"] = current[0]
    return event


def _is_pretty(settings: Settings) -> bool:
    return settings.log_format == "pretty" or (settings.log_format == "auto" and sys.stderr.isatty())


def _shared() -> list[Processor]:
    return [
        add_request_id,
        structlog.stdlib.ExtraAdder(allow=["request_id"]),  # of lines about another thread's request
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        add_time,
    ]


def renderers(settings: Settings) -> list[Processor]:
    """Return what makes a line of an event: for people or for machines."""
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty() and wants_colour(),
        exception_formatter=_write_traceback,
        sort_keys=False,
    )
    last: list[Processor] = (
        [_one_line, console]
        if _is_pretty(settings)
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    return [*last, _redact]


# The columns that are written as they are; every other value is written as structlog writes a thing, by its repr.
_BARE = frozenset({"timestamp", "level", "event", "logger"})


@dataclass(slots=True)
class _Written:
    """A value that is put into words already, so that nobody escapes it again."""

    words: str

    def __repr__(self) -> str:
        return self.words


def _one_line(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    # JSON escapes line breaks by itself; on a terminal a forged line would look like one of ours.
    return {name: value if name == "exc_info" else _shown(name, value) for name, value in event.items()}


def _shown(name: str, value: object) -> object:
    if name in _BARE:
        return _visible(str(value))
    if isinstance(value, str):
        is_one_word = value.isprintable() and not set(value) & set(" ='\"")
        return _Written(value if is_one_word else repr(value))  # which escapes what is not printable
    return _Written(_visible(repr(value)))


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _write_traceback(to: TextIO, exc_info: ExcInfo) -> None:
    # Without local variables: those hold what people typed, and passwords. Set in, as an error's own words may have
    # line breaks, and what follows one must not look like a line of ours.
    plain = StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    to.write("".join(f"\n  {_visible(line)}" for line in plain.getvalue().strip("\n").split("\n")))


def _redact(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    # The renderer before us made one string; structlog's type for the last link does not say so.
    return redacted(line) if isinstance(line, str) else line
