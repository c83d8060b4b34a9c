"""How far it is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

MOST_BEHIND = 0.05
"""Which part of the planned time the run may be late."""


class Advance:
    """Shows what is being done, and how much of the planned seconds is behind us; `with` begins and ends it."""

    def __init__(self, seconds: float) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description:<50}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("", total=seconds)
        self._planned, self._done, self._began = seconds, 0.0, time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Name the part that begins: a line of its own where there is no bar."""
        if not self._console.is_terminal:
            seconds = int(time.monotonic() - self._began)
            self._console.out(f"{seconds // 60:3d}:{seconds % 60:02d}  {text}", highlight=False)
        self._bar.update(self._task, description=text)

    def name(self, detail: str) -> None:
        """Name what is being done within the part; shown on a terminal only."""
        self._bar.update(self._task, description=detail)

    def step(self, seconds: float) -> None:
        """Move on by that many of the planned seconds."""
        self._done += seconds
        self._bar.advance(self._task, seconds)

    def is_late(self) -> bool:
        """Tell whether the plan takes longer than it should."""
        return time.monotonic() - self._began - self._done > self._planned * MOST_BEHIND
