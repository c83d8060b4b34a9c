"""What all commands have in common: they speak in sentences, respect NO_COLOR, and say what a signal or an error left.

How they are interrupted before they begin is in tools/command.py.
"""

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import click
from flask import has_app_context
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.commands import remedies
from app.extensions import db
from config import wants_colour
from steadypool import PoolError, unwrapped

log = logging.getLogger(__name__)


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised where Ctrl-C would be: open transactions are undone, and the command can say how far it came."""


class StoppedError(click.ClickException):
    """A command that did not come to its end."""


class CtrlCError(StoppedError):
    """Ctrl-C; the exit code is the one that shells give it."""

    exit_code = 128 + signal.SIGINT


class TerminatedError(StoppedError):
    """SIGTERM, likewise."""

    exit_code = 128 + signal.SIGTERM


class Command(click.Command):
    """A command with the manners of this module."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Return the context as click makes it, without colour where nobody wants it."""
        context = super().make_context(*arguments, **options)
        if not wants_colour():
            context.color = False
        return context

    def invoke(self, context: click.Context) -> Any:
        """Return what the command returns; end with the exit code of the signal, or with what the database said."""
        try:
            with interruptible(), in_sentences():
                return super().invoke(context)
        except (KeyboardInterrupt, SQLAlchemyError) as error:
            raise stopped(error, "to run it again does no harm.") from None
        finally:
            _close_connections()


def stopped(error: KeyboardInterrupt | SQLAlchemyError, what_now: str) -> Exception:
    """Return the error that says in a sentence what ended the command, and what follows from it.

    That is the same error where the program is wrong and not the database: its traceback is wanted. LOG_LEVEL=DEBUG
    shows the others', too.
    """
    if isinstance(error, KeyboardInterrupt):
        kind = TerminatedError if isinstance(error, Terminated) else CtrlCError
        return kind(f"interrupted; {what_now}")
    cause = unwrapped(error)
    if not isinstance(cause, DBAPIError | PoolError):
        return error
    log.debug("stopped", exc_info=error)
    return StoppedError(f"{remedies.sentence(cause)}; {what_now}")


@contextmanager
def interruptible() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt, unless it is ignored, and SIGTERM be heard likewise.

    Without a handler the first process of a container would not hear SIGTERM at all.
    """
    if threading.current_thread() is not threading.main_thread():  # only there Python allows a handler
        yield
        return
    heard = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate)}
    if heard:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def in_sentences() -> Iterator[None]:
    """Keep out of the log what the pool and the driver have to say: the command says it itself, in a sentence."""
    loggers = [logging.getLogger(name) for name in ("steadypool", "sqlalchemy.pool", "psycopg")]
    before = [log.level for log in loggers]
    for log in loggers:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in zip(loggers, before, strict=True):
            log.setLevel(level)


def _close_connections() -> None:
    """Part from the databases in good order: the end of a process is too late, or comes before it."""
    if has_app_context():
        for engine in db.engines.values():
            engine.dispose()


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def announce(what: str) -> None:
    """Say on a terminal what is being waited for; elsewhere nothing."""
    if sys.stderr.isatty():
        click.secho(what, dim=True, err=True)
