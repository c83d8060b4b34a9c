"""Gunicorn's hooks, in the order in which it calls them; its documentation says when that is.

The arbiter is the process that starts the workers and sees to it that there are enough.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from gunicorn.arbiter import Arbiter as GunicornsArbiter

import config
from serving import run_directory
from serving.addresses import exit_if_unusable
from serving.draining import StopAfterNotice
from serving.protocols import Arbiter, Worker
from serving.reloading import ReloadIfSound

if TYPE_CHECKING:
    from flask import Flask


@dataclass(frozen=True)
class Hooks:
    """The hooks of one server with these settings and this run directory."""

    settings: config.Settings
    directory: Path

    def on_starting(self, server: Arbiter) -> None:
        """Refuse addresses and a run directory that cannot be used, before anything is started."""
        exit_if_unusable(server.address, self.settings.port)
        run_directory.begin_counting_anew(self.directory)

    def when_ready(self, server: Arbiter) -> None:
        """Have every SIGHUP tried out first, and SIGTERM wait for those who still send requests."""
        server.handle_hup = ReloadIfSound(partial(self._reload, server.handle_hup), server.log)
        if seconds := self.settings.shutdown_delay_seconds:
            notice = run_directory.notice_in(self.directory)
            server.handle_term = StopAfterNotice(server, notice, seconds)

    def _reload(self, reload: Callable[[], None]) -> None:
        run_directory.forget_orders(self.directory)
        reload()

    def pre_fork(self, server: Arbiter, worker: Worker) -> None:
        """Give each worker the lowest number that is free: what it counts goes on where the last one of it stopped."""
        taken = {other.number for other in server.WORKERS.values()}
        worker.number = next(number for number in count(1) if number not in taken)

    def post_fork(self, server: Arbiter, worker: Worker) -> None:
        """Give a worker that replaces another (max_requests) the settings of that one, whatever .env says by then.

        Otherwise a mistake in .env would stop the service hours later, worker by worker.
        """
        config.load_settings_or_exit = lambda: self.settings
        # Until it has its own: the arbiter's handlers would pass them over, and it waited for the worker to end.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGQUIT, lambda *_: os._exit(0))
        # For all processes (a terminal that is closed, pkill) it is the arbiter's, too: a worker would just die. Taken
        # from what Gunicorn sets back, or it would while it imports the application.
        worker.SIGNALS = [number for number in worker.SIGNALS if number != signal.SIGHUP]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            run_directory.count_here(self.directory, worker.number)
        except OSError as error:
            lost = "This worker's requests are missing from /metrics: no room in %s (%s)"
            server.log.error(lost, self.directory, error)

    def post_worker_init(self, worker: Worker) -> None:
        """Have a worker that has loaded the application look at its databases, and report to the others."""
        # Ctrl-C is the arbiter's, which tells its workers: two signals at once can lock up a worker's thread pool.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # One of as many workers as are started together asks the databases: each start and each reload does so once.
        if (worker.age - 1) % worker.cfg.workers == 0:
            _check_budget(worker)
        worker.wsgi.extensions["reporter"].join(self.directory, worker.number)
        worker.wsgi.extensions["notice"] = run_directory.notice_in(self.directory)
        _telemetry().start(worker.wsgi)
        if worker.age == 1:
            suggest_a_command(worker)

    def worker_exit(self, server: Arbiter, worker: Worker) -> None:
        """Say goodbye to the databases: a connection that just vanishes counts as Aborted_clients on MySQL.

        Once now, and again when the threads have ended whose requests took longer than the graceful timeout.
        """
        app = getattr(worker, "wsgi", None)
        if app is not None:  # it could be loaded
            _say_goodbye(app)
            _telemetry().stop(app)
            atexit.register(_say_goodbye, app)

    def on_exit(self, server: Arbiter) -> None:
        """Say goodbye for the arbiter, which has connections of its own if --preload imported something that reads."""
        if server.app.callable is not None:
            _say_goodbye(server.app.callable)
        run_directory.remove(self.directory)


def suggest_a_command(worker: Worker) -> None:
    """Log what to try; the application may say what (TRY)."""
    for address in [each for each in map(str, worker.sockets) if each.startswith("http")][:1]:
        here = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        worker.log.info("Try: curl '%s%s'", here, worker.wsgi.config.get("TRY", "/docs"))


def _check_budget(worker: Worker) -> None:
    """Refuse to start more than the database allows for; a service that runs already goes on, and the log says it."""
    from app.operations.budget import may_start  # the worker has loaded the application by now

    if not may_start(worker.wsgi, worker.cfg.workers) and worker.age == 1:
        sys.exit(GunicornsArbiter.WORKER_BOOT_ERROR)


def _telemetry() -> ModuleType:
    from app import telemetry  # as above; it has threads, so it begins after the fork

    return telemetry


def _say_goodbye(app: "Flask") -> None:
    with app.app_context():
        for engine in app.extensions["sqlalchemy"].engines.values():
            engine.dispose()
    app.extensions["reporter"].end()
