"""Gunicorn's settings, made from the application's own: the server is started with `./run serve` or `gunicorn`.

The application itself is not imported here. A worker imports it after the fork, so `--reload` and SIGHUP bring in
new code (preload_app stays off for the same reason), and no database connection is ever shared by two processes.
"""

import atexit
import errno
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

# Gunicorn executes this file again on SIGHUP, and its workers inherit what it has imported: the new version must be
# read, or new code would meet old settings.
sys.modules.pop("config", None)

import config as ours  # noqa: E402 -- after the old one is forgotten; `config` would be taken for Gunicorn's own setting

settings = ours.load_settings_or_exit()

wsgi_app = "wsgi:app"
bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"

worker_class = "gthread"
workers, threads = settings.workers, settings.threads

# A worker that lives on is how a slow leak becomes an outage; jitter keeps them from going all at once.
max_requests = settings.max_requests
max_requests_jitter = settings.max_requests // 10

# After SIGTERM a worker has this long to answer what it has begun. compose.yaml's stop_grace_period is longer.
graceful_timeout = settings.graceful_timeout_seconds
# Not the time a request may take: how long the loop that accepts may be stuck until the worker is replaced.
timeout = 30
# Longer than the 60 s for which proxies keep an idle connection: whoever closes first must not be us, or the
# request that the proxy is just sending is lost.
keepalive = 65

# The heartbeat file belongs in memory: on a disk that is busy the arbiter takes a healthy worker for a dead one.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 -- Gunicorn makes the file safely


def _run_directory() -> str:
    """Return a new folder for what the workers tell each other, and remove those of servers that were killed."""
    parent = Path(worker_tmp_dir or tempfile.gettempdir())
    for left in parent.glob(f"{RUN_PREFIX}*"):
        owner = left.name.split("-")[-2]
        if owner.isdigit() and not _is_alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{RUN_PREFIX}{os.getpid()}-", dir=parent)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


# The variable is prometheus_client's own. This file is executed again on SIGHUP, and the folder stays.
RUN_PREFIX = "gunicorn-run-"
COUNTERS_BYTES = 512 * 1024  # some 200 combinations of method, route and status
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _run_directory()
run_directory = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])

# Remote control through a socket in the home directory: nothing here uses it, and the home may be read-only.
control_socket_disable = True

# Nobody's X-Forwarded-* headers are believed here, not even those of 127.0.0.1 (Gunicorn's default): how many proxies
# are to be believed is TRUSTED_PROXY_HOPS, and the application sees to it.
forwarded_allow_ips = ""


class WithoutAccessLog(Logger):  # type: ignore[misc] # it has no types
    """Gunicorn's logger, silent about requests: the application logs them itself, with the request id."""

    def access(self, *_: Any) -> None:
        """Log nothing; `accesslog = None` would be overruled by `logconfig_dict`."""


logger_class = WithoutAccessLog


# Loaded by its path, because importing it as app.logging would bring in the whole application before the fork.
_spec: Any = importlib.util.spec_from_file_location("_app_logging", Path(__file__).parent / "app" / "logging.py")
_logging = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_logging)
logconfig_dict = _logging.logging_config(settings)


def on_starting(server: Any) -> None:
    """Stop with one sentence when the address cannot be had; Gunicorn itself would try for five seconds."""
    # Not of our settings: --bind may name others. Sockets that are inherited are not ours to try.
    inherited = "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ
    for host, port in [] if inherited else [each for each in server.address if isinstance(each, tuple)]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                sys.exit(_unusable_address(host, port, error))
    _begin_counting_anew()


def _begin_counting_anew() -> None:
    """Remove what another run has counted, if the run directory is one of somebody's own choice."""
    try:
        run_directory.mkdir(parents=True, exist_ok=True)
        for kind in ("*_[0-9]*.db", "worker-[0-9]*.json", "samples-[0-9]*.json"):
            for left in run_directory.glob(kind):
                left.unlink()
    except OSError as error:
        sys.exit(f"PROMETHEUS_MULTIPROC_DIR={run_directory} must be a folder that can be written ({error.strerror})")


def _unusable_address(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        other = f"another: PORT={port + 1}" if port == settings.port else "another for --bind"
        return f"Port {port} is taken on {host}; stop what listens there or choose {other}"
    if error.errno == errno.EACCES:
        return f"Only the administrator may listen on {host}:{port}; choose a PORT above 1023."
    return f"Cannot listen on {host}:{port} ({error.strerror}); HOST must be an address of this machine: HOST=127.0.0.1"


def when_ready(server: Any) -> None:
    """Have every SIGHUP tried out first."""
    server.handle_hup = ReloadIfSound(server)


class ReloadIfSound:
    """SIGHUP for the arbiter: reloads what can be started, and otherwise says why and leaves the old workers alone.

    By itself Gunicorn stops altogether: with a setting that cannot be used the arbiter ends and then its workers, and
    when the new workers cannot import the application, all are stopped. Its author's advice is to try it out with
    --check-config before (benoitc/gunicorn#2443), so that is what happens here, in a process that imports all anew.
    """

    def __init__(self, server: Any) -> None:
        self._server, self._reload = server, server.handle_hup

    def __call__(self) -> None:
        """Reload, or log what is wrong; takes about a second of CPU, in which the workers go on."""
        if reason := self._reason_against():
            self._server.log.error("Not reloaded, the old workers go on. %s", reason)
        else:
            self._reload()

    def _reason_against(self) -> str:
        command = [sys.executable, "-m", "gunicorn", *sys.argv[1:], "--check-config"]
        try:
            tried = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 -- our own command line
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"The new version could not be tried out: {error}"
        return (tried.stderr or f"It ended with {tried.returncode}").strip() if tried.returncode else ""


def pre_fork(server: Any, worker: Any) -> None:
    """Give each worker the lowest number that is free: what it counts goes on where the last one of it stopped."""
    taken = {other.number for other in server.WORKERS.values()}
    worker.number = next(number for number in count(1) if number not in taken)


def post_fork(server: Any, worker: Any) -> None:
    """Give a worker that replaces another (max_requests) the settings of that one, whatever .env says by then.

    Otherwise a mistake in .env would stop the service hours later, worker by worker.
    """
    ours.load_settings_or_exit = lambda: settings
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the arbiter's handler, which would pass it over
    # For all processes (a terminal that is closed, pkill) it is the arbiter's, too: a worker would just die. Taken from
    # what Gunicorn sets back, or it would while it imports the application.
    worker.SIGNALS = [number for number in worker.SIGNALS if number != signal.SIGHUP]
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from prometheus_client import values  # only now: by the variable above it knows that it is one of several

    # By its number, not by its process: else each worker that is replaced would leave files behind for good.
    try:
        _make_room_for_counters(run_directory / f"histogram_{worker.number}.db")
        values.ValueClass = values.MultiProcessValue(lambda: worker.number)  # type: ignore[no-untyped-call] # theirs
    except OSError as error:
        server.log.error("This worker's requests are missing from /metrics: no room in %s (%s)", run_directory, error)
        values.ValueClass = values.MutexValue


def _make_room_for_counters(file: Path) -> None:
    """Take the room that prometheus_client is going to write into: where there is none, that would end the process."""
    run_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        file.write_bytes(bytes(COUNTERS_BYTES))


def post_worker_init(worker: Any) -> None:
    """Leave Ctrl-C to the arbiter, which tells its workers: two signals at once can lock up a worker's thread pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One of as many workers as are started together asks the databases: each start and each reload does so once.
    if (worker.age - 1) % worker.cfg.workers == 0:
        _check_budget(worker)
    worker.wsgi.extensions["reporter"].join(run_directory, worker.number)
    if worker.age == 1:
        _suggest_a_command(worker)


def _suggest_a_command(worker: Any) -> None:
    """Log what to try; a room may say what (TRY)."""
    for address in [each for each in map(str, worker.sockets) if each.startswith("http")][:1]:
        here = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        worker.log.info("Try: curl '%s%s'", here, worker.wsgi.config.get("TRY", "/docs"))


def _check_budget(worker: Any) -> None:
    """Refuse to start more than the database allows for; a service that runs already goes on, and the log says it."""
    from app.operations.budget import may_start  # the worker has loaded the application by now

    if not may_start(worker.wsgi, worker.cfg.workers) and worker.age == 1:
        sys.exit(Arbiter.WORKER_BOOT_ERROR)


def worker_exit(server: Any, worker: Any) -> None:
    """Say goodbye to the databases: a connection that just vanishes counts as Aborted_clients on MySQL.

    Once now, and again when the threads have ended whose requests took longer than the graceful timeout.
    """
    app = getattr(worker, "wsgi", None)
    if app is not None:  # it could be loaded
        _say_goodbye(app)
        atexit.register(_say_goodbye, app)


def on_exit(server: Any) -> None:
    """Say goodbye for the arbiter, which has connections of its own if --preload imported something that reads."""
    if server.app.callable is not None:
        _say_goodbye(server.app.callable)
    if run_directory.name.startswith(RUN_PREFIX):
        shutil.rmtree(run_directory, ignore_errors=True)


def _say_goodbye(app: Any) -> None:
    with app.app_context():
        for engine in app.extensions["sqlalchemy"].engines.values():
            engine.dispose()
    app.extensions["reporter"].end()
