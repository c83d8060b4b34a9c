"""What the workers of one server know of each other: each leaves a small file a second in the run directory.

A worker has a number, the lowest that is free, and its report goes on where the last worker of that number stopped. So
no counter falls when a worker is replaced or killed, and there are never more files than there were workers at once.
"""

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from typing import Any, TypeVar

import structlog
from flask import Flask
from sqlalchemy import Engine

from app.extensions import db
from app.operations import totals
from app.operations.totals import Totals
from steadypool import SteadyPool, begin_anew_after_fork, start_thread

EVERY_SECONDS = 1.0
SAMPLE_SECONDS = 5
SAMPLES = 61
"""Five minutes of samples, and the one before, of which the first differs."""

SILENT_AFTER_SECONDS = 10.0
"""A worker of which nothing was heard for so long is not counted as alive."""

T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Sample:
    """The totals of each pool at the end of so many seconds; of gauges, the highest value in that time."""

    tick: int
    pools: dict[str, Totals]


@dataclass(frozen=True)
class Report:
    """What a worker says of itself; times in seconds on the machine's monotonic clock."""

    worker: int
    pid: int
    started: float
    at: float
    ended: bool = False
    pools: dict[str, Totals] = field(default_factory=dict)
    connections: list[dict[str, Any]] = field(default_factory=list)
    budgets: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        """Tell whether the worker was heard of lately."""
        return not self.ended and monotonic() - self.at <= SILENT_AFTER_SECONDS

    @property
    def is_missed(self) -> bool:
        """Tell whether the worker fell silent in the last five minutes without having ended."""
        return not self.ended and SILENT_AFTER_SECONDS < monotonic() - self.at <= SAMPLES * SAMPLE_SECONDS

    @property
    def counted(self) -> dict[str, Totals]:
        """The totals of each pool; of a worker that is gone, what it had counted."""
        if self.is_alive:
            return self.pools
        return {name: totals.without_gauges(pool) for name, pool in self.pools.items()}


def init_app(app: Flask) -> None:
    """Give the application its reporter; serving/hooks.py has it join the others."""
    with app.app_context():
        app.extensions["reporter"] = Reporter({"reader": db.engines["reader"], "writer": db.engine})


class Reporter:
    """Reports for this process, and reads what the others have reported; alone until it joins them."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = engines
        self._started = monotonic()
        self._before: dict[str, Totals] = {}
        self._highest: dict[str, Totals] = {}
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._lock = Lock()
        self._over = Event()
        self._is_writing = True
        self.worker = 0
        self.directory: Path | None = None
        self.budgets: list[dict[str, Any]] = []
        begin_anew_after_fork(self)

    def forget_parent(self) -> None:
        """Be alone in a child process: the reports are its parent's, as is the thread that may hold the lock."""
        self._lock, self._over = Lock(), Event()
        self.directory, self._before = None, {}

    def join(self, directory: Path, worker: int) -> None:
        """Report from now on into that directory, under that number, beginning where the last one stopped."""
        self.directory, self.worker = directory, worker
        for report in read_reports(directory):
            if report.worker == worker:
                self._before = {name: totals.without_gauges(pool) for name, pool in report.pools.items()}
                self.budgets = report.budgets
        self._samples.extend(_read_samples(directory, worker))
        start_thread("report", self._go_on)

    def end(self) -> None:
        """Report for the last time; the connections should be closed by now."""
        self._over.set()
        if self.directory is not None:
            self.publish(ended=True)

    def all_reports(self) -> list[Report]:
        """Return those of all workers, this one's made now."""
        if self.directory is None:
            return [self._report()]
        self.publish()
        return read_reports(self.directory)

    def all_samples(self) -> list[list[Sample]]:
        """Return the last five minutes of each worker."""
        if self.directory is None:
            return [list(self._samples)]
        return [_read_samples(self.directory, report.worker) for report in read_reports(self.directory)]

    def publish(self, *, ended: bool = False) -> None:
        """Write this moment's report; what cannot be written is left, and the log says so once."""
        assert self.directory is not None  # noqa: S101 -- those who call have joined
        with self._lock:
            report = self._report(ended=ended)
            try:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # some tidy up where they should not
                _replace(self.directory / f"worker-{self.worker}.json", vars(report))
                if self._sample(report):
                    _replace(_samples_file(self.directory, self.worker), [vars(each) for each in self._samples])
            except OSError as error:
                if self._is_writing:
                    log.warning("report not written; /metrics and /pool lack this worker", error=str(error))
                self._is_writing = False
            else:
                self._is_writing = True

    def _go_on(self) -> None:
        while not self._over.is_set():
            self.publish()
            self._over.wait(EVERY_SECONDS)

    def _report(self, *, ended: bool = False) -> Report:
        # Asked for each time: `engine.dispose()` puts another pool in its place.
        by_name = {name: engine.pool for name, engine in self._engines.items()}
        pools = {name: pool for name, pool in by_name.items() if isinstance(pool, SteadyPool)}
        now = {name: totals.of(pool.snapshot()) for name, pool in pools.items()}
        connections = [
            {"pool": name, "worker": self.worker, **seen} for name, pool in pools.items() for seen in pool.connections()
        ]
        sums = {name: totals.added([seen, self._before.get(name, {})]) for name, seen in now.items()}
        return Report(self.worker, os.getpid(), self._started, monotonic(), ended, sums, connections, self.budgets)

    def _sample(self, report: Report) -> bool:
        """Remember the highest values, and once in a while what they were; tell whether that is now."""
        self._highest = {
            name: pool | totals.highest({gauge: pool[gauge] for gauge in totals.GAUGES}, self._highest_of(name))
            for name, pool in report.pools.items()
        }
        tick = int(report.at // SAMPLE_SECONDS)
        if self._samples and self._samples[-1].tick >= tick:
            return False
        self._samples.append(Sample(tick, self._highest))
        self._highest = {}
        return True

    def _highest_of(self, name: str) -> Totals:
        return {gauge: value for gauge, value in self._highest.get(name, {}).items() if gauge in totals.GAUGES}


def read_reports(directory: Path) -> list[Report]:
    """Return the last report of each worker, also of those that are gone, by number."""
    found = _understood(Report, [_read(path) for path in directory.glob("worker-*.json")])
    return sorted(found, key=lambda report: report.worker)


def _read_samples(directory: Path, worker: int) -> list[Sample]:
    written = _read(_samples_file(directory, worker))
    return _understood(Sample, written if isinstance(written, list) else [])


def _samples_file(directory: Path, worker: int) -> Path:
    return directory / f"samples-{worker}.json"


def _understood(kind: Callable[..., T], documents: Iterable[Any]) -> list[T]:
    """Return those that were written by this version of the code: after a reload there may be others."""
    made = []
    for document in documents:
        with suppress(TypeError):
            made.append(kind(**document))
    return made


def _read(path: Path) -> Any:
    """Return what is written there, None if that is nothing, or nothing that can be read."""
    try:
        return json.loads(path.read_bytes(), object_hook=_with_bounds)
    except (OSError, ValueError):
        return None


def _with_bounds(found: dict[str, Any]) -> dict[str, Any]:
    """Make numbers again of what JSON has made strings of: a bound counts once, whoever counted."""
    if "buckets" in found:
        found["buckets"] = {float(bound): count for bound, count in found["buckets"].items()}
    return found


def _replace(path: Path, document: Any) -> None:
    """Write a file such that nobody ever reads half of it."""
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(document, separators=(",", ":")))
    scratch.replace(path)
