"""Where incidents happen: every stack is started for each of them, watched, and ended."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchmarks.faults.crowd import Crowd
from benchmarks.faults.incidents import Incident, Player, Scene
from benchmarks.faults.outcome import Times
from benchmarks.faults.pace import Pace
from benchmarks.stacks import STACKS, Stack
from testkit.proxy import Proxy

ROUTES = {
    "flask-sqlalchemy": "benchmarks.faults.routes_flask_sqlalchemy:app",
    "flask-sqlalchemy-pre-ping": "benchmarks.faults.routes_flask_sqlalchemy:app",
    "persistent-db": "benchmarks.faults.routes_persistent_db:app",
    "fastapi-async": "benchmarks.faults.routes_fastapi_async:app",
    "ours": "benchmarks.faults.routes_ours:app",
}
"""The stacks that are compared, and each one's application with the routes that incidents ask for."""


T = TypeVar("T")


class Stage(ABC, Generic[T]):
    """Takes stacks through an incident; what they stand on, and what is made of their requests, a subclass knows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._turns = folder, 0

    def perform(self, incident: Incident, keys: Sequence[str], pace: Pace) -> dict[str, T]:
        """Let an incident happen to these stacks, to a few at the same time; return what became of each."""
        together = 1 if incident.one_at_a_time else pace.together
        # Whoever is left over and has the machine alone is another one each time.
        turn, self._turns = self._turns % len(keys), self._turns + 1
        rest, cells = [*keys[turn:], *keys[:turn]], dict[str, T]()
        while rest:
            now, rest = rest[:together], rest[together:]
            cells |= self._perform(incident, now, pace)
        return {key: cells[key] for key in keys}

    @abstractmethod
    def _perform(self, incident: Incident, keys: Sequence[str], pace: Pace) -> dict[str, T]:
        """Let it happen to these at the same time."""

    def _happen(self, incident: Incident, scene: Scene, pace: Pace) -> Times:
        opened = 0.0 if incident.begins_at_once else time.monotonic()
        incident.play(scene)
        recovered = time.monotonic()
        time.sleep(pace.after)
        for player in scene.players:
            player.audience.end()
        time.sleep(0.2)  # for what was just asked
        return Times(opened, recovered, time.monotonic(), scene.outages, scene.write_outages)

    @contextmanager
    def _player(
        self, incident: Incident, key: str, url: str, proxy: Proxy | None = None, *, writers: int = 0, **environ: Any
    ) -> Iterator[Player]:
        """Start a stack and its clients, some of whom write all the time."""
        through = proxy.url(url) if proxy else url
        with _for_incident(STACKS[key], incident).start(through, self.folder, incident.workers, **environ) as running:
            try:
                yield Player(key, url, Crowd(running.port, incident.pause, writers), running, proxy)
            finally:  # whoever hangs would be waited for
                running.kill()


def _for_incident(stack: Stack, incident: Incident) -> Stack:
    """Return a stack with the routes of the incidents, started as this one wants it."""
    options, end = ([], -1) if ":" in stack.command[-1] else ([], len(stack.command))
    if incident.max_requests:
        name = "--limit-max-requests" if stack.is_async else "--max-requests"
        options += [f"{name}={incident.max_requests}", f"{name}-jitter={incident.max_requests}"]
    if incident.preload and not stack.is_async:  # uvicorn starts workers anew instead of forking
        options.append("--preload")
    return dataclasses.replace(stack, command=[*stack.command[:end], *options, ROUTES[stack.key]])
