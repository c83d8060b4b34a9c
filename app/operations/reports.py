"""What the workers of one server know of each other: each leaves a small file a second in the run directory.

A worker has a number, the lowest that is free, and its report goes on where the last worker of that number stopped. So
no counter falls when a worker is replaced or killed, and there are never more files than there were workers at once.
Every five seconds whoever comes first adds up all reports, in one file for the last five minutes of all.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from typing import Any

import structlog
from flask import Flask
from sqlalchemy import Engine

from app.extensions import db
from app.operations import files, totals
from app.operations.budget import Budget
from app.operations.lag import Lag
from app.operations.orders import BUDGETS, Obedience, Order, give, read_orders
from app.operations.totals import Totals
from steadypool import SteadyPool, begin_anew_after_fork, start_thread

EVERY_SECONDS = 1.0
SAMPLE_SECONDS = 5
SAMPLES = 61
"""Five minutes of samples, and the one before, of which the first differs."""

SILENT_AFTER_SECONDS = 10.0
"""A worker of which nothing was heard for so long is not counted as alive."""

HISTORY = "history.json"
Pools = dict[str, Totals]

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Sample:
    """The totals of all workers at the end of so many seconds; of gauges, the highest value in that time."""

    tick: int
    pools: Pools


@dataclass(frozen=True)
class Report:
    """What a worker says of itself; times in seconds on the machine's monotonic clock."""

    worker: int
    pid: int
    started: float
    at: float
    ended: bool = False
    pools: Pools = field(default_factory=dict)
    highest: Pools = field(default_factory=dict)
    """Gauges, the highest values in the seconds of a sample."""
    connections: list[dict[str, Any]] = field(default_factory=list)
    lag_seconds: float | None = None
    obeyed: dict[str, str] = field(default_factory=dict)
    """When the last order of each name was given that this worker has obeyed."""

    @property
    def is_alive(self) -> bool:
        """Tell whether the worker was heard of lately."""
        return not self.ended and monotonic() - self.at <= SILENT_AFTER_SECONDS

    @property
    def counted(self) -> Pools:
        """The totals of each pool; of a worker that is gone, what it had counted."""
        return self.pools if self.is_alive else totals.without_gauges(self.pools)


def init_app(app: Flask) -> None:
    """Give the application its reporter; serving/hooks.py has it join the others."""
    with app.app_context():
        app.extensions["reporter"] = Reporter({"reader": db.engines["reader"], "writer": db.engine})


class Reporter:
    """Reports for this process, and reads what the others have reported; alone until it joins them."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines, self.lag = engines, Lag(engines["reader"], engines["writer"])
        self._started = monotonic()
        self._before: Pools = {}
        self._looks: list[tuple[float, Pools]] = []
        self._lock, self._over = Lock(), Event()
        self._is_writing, self._tick = True, 0
        self.worker = 0
        self.directory: Path | None = None
        self.obedience = Obedience(engines)
        self._budgets: list[dict[str, Any]] = []
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
                self._before = totals.without_gauges(report.pools)
        if self._budgets and not any(order.size for order in self.orders()):  # whose sum is another
            self.budgets = self._budgets
        start_thread("report", self._go_on)
        self.lag.start(self._over)

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

    def samples(self) -> list[Sample]:
        """Return the last five minutes of all workers, the oldest first; nothing until this one has joined them."""
        return files.understood(Sample, files.read_json(self.directory / HISTORY)) if self.directory else []

    def orders(self) -> list[Order]:
        """Return those that stand, nothing until this one has joined the others."""
        return read_orders(self.directory) if self.directory else []

    def order(self, order: Order, budgets: Sequence[Budget] = ()) -> None:
        """Have all workers obey within two seconds, this one at once where it is alone; raise OSError."""
        if self.directory is not None:
            give(self.directory, order, budgets)
            return
        self.obedience.obey(order)
        if budgets:
            self.budgets = [budget._asdict() for budget in budgets]

    @property
    def budgets(self) -> list[dict[str, Any]]:
        """The budget of this server, as of its start, its reload or the last order."""
        return self._budgets if self.directory is None else files.read_json(self.directory / BUDGETS) or []

    @budgets.setter
    def budgets(self, budgets: list[dict[str, Any]]) -> None:
        self._budgets = budgets
        if self.directory is not None:
            with suppress(OSError):
                files.replace(self.directory / BUDGETS, budgets, f"budgets-{self.worker}")  # the thread has its own

    def publish(self, *, ended: bool = False) -> None:
        """Write this moment's report; what cannot be written is left, and the log says so once."""
        assert self.directory is not None  # noqa: S101 -- those who call have joined
        with self._lock:
            if self._over.is_set() and not ended:
                return  # its last one is written, or will be
            report = self._report(ended=ended)
            try:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # some tidy up where they should not
                files.replace(self.directory / f"worker-{self.worker}.json", vars(report), f"worker-{self.worker}")
                self._sample(self.directory, int(report.at // SAMPLE_SECONDS))
            except OSError as error:
                if self._is_writing:
                    log.warning("report not written; /metrics and /pool lack this worker", error=str(error))
                self._is_writing = False
            else:
                self._is_writing = True

    def _go_on(self) -> None:
        while not self._over.is_set():
            self._obey()
            self.publish()
            self._over.wait(EVERY_SECONDS)

    def _obey(self) -> None:
        for order in self.orders():
            try:
                self.obedience.obey(order)
            except Exception:  # without this thread nobody would hear of this worker any more
                log.exception("an order could not be obeyed; it is tried again", order=str(order))

    def _report(self, *, ended: bool = False) -> Report:
        obeyed = dict(self.obedience.obeyed)  # first: what is told as done must show in what is read after it
        # Asked for each time: `engine.dispose()` puts another pool in its place.
        by_name = {name: engine.pool for name, engine in self._engines.items()}
        pools = {name: pool for name, pool in by_name.items() if isinstance(pool, SteadyPool)}
        seen, now = {name: totals.of(pool.snapshot()) for name, pool in pools.items()}, monotonic()
        gauges = {name: {gauge: pool[gauge] for gauge in totals.GAUGES} for name, pool in seen.items()}
        self._looks = [look for look in self._looks if look[0] > now - SAMPLE_SECONDS] + [(now, gauges)]
        return Report(
            worker=self.worker,
            pid=os.getpid(),
            started=self._started,
            at=now,
            ended=ended,
            pools=totals.added([seen, self._before]),
            highest=totals.highest(gauges for _, gauges in self._looks),
            connections=[
                {"pool": name, "worker": self.worker, **each}
                for name, pool in pools.items()
                for each in pool.connections()
            ],
            lag_seconds=self.lag.seconds,
            obeyed=obeyed,
        )

    def _sample(self, directory: Path, tick: int) -> None:
        """Add up all reports, unless somebody did in this tick; two who do so at once write the same."""
        if tick == self._tick:
            return
        self._tick = tick
        past = [sample for sample in self.samples() if sample.tick > tick - SAMPLES]
        if all(sample.tick < tick for sample in past):
            reports = read_reports(directory)
            counted = [totals.without_gauges(report.pools) for report in reports]
            sums = totals.added([*counted, *(report.highest for report in reports if report.is_alive)])
            files.replace(
                directory / HISTORY, [*map(vars, past), {"tick": tick, "pools": sums}], f"worker-{self.worker}"
            )


def lag_seconds(reports: Iterable[Report]) -> float | None:
    """Return how far a replica is behind, the most that a worker has found; None where nobody knows."""
    return max((each.lag_seconds for each in reports if each.is_alive and each.lag_seconds is not None), default=None)


def read_reports(directory: Path) -> list[Report]:
    """Return the last report of each worker, also of those that are gone, by number."""
    found = files.understood(Report, [files.read_json(path) for path in directory.glob("worker-*.json")])
    return sorted(found, key=lambda report: report.worker)
