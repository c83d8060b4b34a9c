"""What all commands have in common: NO_COLOR is respected, and whoever interrupts them is told that nothing broke."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import click

from config import wants_colour


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
        """Return what the command returns; after Ctrl-C or SIGTERM end with the exit code that shells give it."""
        try:
            with sigterm_as_ctrl_c():
                return super().invoke(context)
        except KeyboardInterrupt as interrupt:
            raise interrupted(interrupt, "to run it again does no harm.") from None


def interrupted(interrupt: KeyboardInterrupt, what_now: str) -> StoppedError:
    """Return the error that says so and what follows from it."""
    kind = TerminatedError if isinstance(interrupt, Terminated) else CtrlCError
    return kind(f"interrupted; {what_now}")


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Have SIGTERM heard like Ctrl-C; without a handler the first process of a container would not hear it at all."""
    if threading.current_thread() is not threading.main_thread():  # only there Python allows a handler
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def announce(what: str) -> None:
    """Say on a terminal what is being waited for; elsewhere nothing."""
    if sys.stderr.isatty():
        click.secho(what, dim=True, err=True)
