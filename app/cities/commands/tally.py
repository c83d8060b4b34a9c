"""What a load has done so far: counted, shown while it runs, and said at the end, however it ends."""

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from sqlalchemy.exc import SQLAlchemyError

from app.cities.commands.rows import Refusal
from app.cities.commands.storing import Kept
from app.commands.manners import stopped
from steadypool import OutcomeUnknownError

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

SHOWN = 20
"""Refused lines that are shown; all are counted."""


@dataclass
class Tally(Kept):
    """What has become of all batches that are committed."""

    up_to_line: int = 0
    refusals: int = 0
    started: float = field(default_factory=perf_counter)

    def add(self, kept: Kept, up_to_line: int = 0) -> None:
        """Count a batch that is committed."""
        self.cities += kept.cities
        self.countries += kept.countries
        self.there_already += kept.there_already
        self.refuse(kept.refused)
        self.up_to_line = up_to_line

    def refuse(self, refused: list[Refusal]) -> None:
        """Count them, and keep the first to show."""
        self.refusals += len(refused)
        self.refused += refused[: SHOWN - len(self.refused)]

    def show_refused(self) -> None:
        """Show the lines that were refused, a bounded number of them, on standard error."""
        for refusal in sorted(self.refused, key=lambda refusal: refusal.line):
            click.secho(f"line {refusal.line}: {refusal.reason}", fg="yellow", err=True)
        if more := self.refusals - len(self.refused):
            click.secho(f"… and {_number(more, 'more line', 'more lines')}", fg="yellow", err=True)

    def __str__(self) -> str:
        if not self.rows:
            return "Nothing to do."
        cities, countries = _number(self.cities, "city", "cities"), _number(self.countries, "country", "countries")
        parts = [f"Loaded {cities}" + (f" and made {countries}" if self.countries else "")]
        parts += [self._there] if self.there_already else []
        parts += [_number(self.refusals, "line was refused", "lines were refused")] if self.refusals else []
        seconds = perf_counter() - self.started
        return f"{'; '.join(parts)}. {self.rows / seconds:,.0f} rows/s, {seconds:.1f} s."

    @property
    def _there(self) -> str:
        return _number(self.there_already, "was there already", "were there already")

    @property
    def rows(self) -> int:
        """All that was looked at."""
        return self.cities + self.there_already + self.refusals

    @property
    def so_far(self) -> str:
        """Say what this run has done, for somebody who wants to go on."""
        added = f"{_number(self.cities, 'city was', 'cities were')} added"
        there = f", {self._there}" if self.there_already else ""
        reached = f"; all lines up to {self.up_to_line:,} are done" if self.up_to_line else ""
        return f"{added}{there}{reached}. Run the same command again to go on: what is there is passed over."


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


@contextmanager
def telling(tally: Tally) -> Iterator[None]:
    """Say at the end what was refused and, if it was stopped, by what and how far it came."""
    try:
        yield
    except OutcomeUnknownError as error:
        raise stopped(error, f"the last batch is in, or nothing of it. At least {tally.so_far}") from None
    except (KeyboardInterrupt, SQLAlchemyError) as error:
        raise stopped(error, tally.so_far) from None
    finally:
        tally.show_refused()


def progress(length: int, what: str) -> "ProgressBar[Any]":
    """Return a bar of that length on standard error, where somebody is there to see it."""
    unseen = not length or not sys.stderr.isatty()
    return click.progressbar(length=length, label=what, file=sys.stderr, hidden=unseen)


def size_of(file: BinaryIO) -> int:
    """Return how many bytes a file has, 0 for what is no file, such as a pipe."""
    try:
        status = os.fstat(file.fileno())
    except io.UnsupportedOperation:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
