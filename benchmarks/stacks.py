"""What is compared: this application and its peers, and how each of them is started."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from testkit import ROOT
from testkit.databases import environment
from testkit.processes import free_port
from testkit.waiting import eventually

FOREIGN = "_foreign"
"""What the name of the database ends with that holds somebody else's Sakila: its own tables, with an index on city."""

START_SECONDS = 40
STOP_SECONDS = 15


class NotStartedError(Exception):
    """A stack did not answer; the first line says how, the others are the end of its log."""


@dataclass
class Running:
    """A stack that answers."""

    port: int
    log: Path
    counts_master: bool
    """Whether the process that was started answers requests by itself."""
    begin: Callable[[], subprocess.Popen[bytes]]

    def __post_init__(self) -> None:
        self.process = self.begin()

    @property
    def url(self) -> str:
        """Return the address of its front page."""
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[int]:
        """Return the pids of the processes that answer requests, the oldest first."""
        if self.counts_master:
            return [self.process.pid]
        children = psutil.Process(self.process.pid).children()
        return sorted(child.pid for child in children if "resource_tracker" not in " ".join(child.cmdline()))

    def signal(self, number: int) -> None:
        """Send the first process a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill all its processes: nobody waits for those that are stuck."""
        with suppress(psutil.NoSuchProcess):
            master = psutil.Process(self.process.pid)
            for process in (master, *master.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def start_again(self) -> None:
        """Start it again at the same address; return once somebody listens there, and raise if nobody does in time."""
        self.process.wait()
        self.process = self.begin()
        if not eventually(self._is_listening, START_SECONDS):
            raise NotStartedError(f"nobody listened after {START_SECONDS} s")

    def _is_listening(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False


@dataclass(frozen=True)
class Stack:
    """One way to answer; all read port, workers and threads from the environment."""

    key: str
    title: str
    command: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    driver: str = "mysql+pymysql"
    is_async: bool = False
    root: Path = ROOT
    """The tree that it is started in."""
    database: str = ""
    """What is added to the name of the database."""

    @contextmanager
    def start(
        self, database_url: str, folder: Path, workers: int = 1, threads: int = 16, **environ: str
    ) -> Iterator[Running]:
        """Start it and wait for its first right answer; stop it after the block.

        The kernel ends it with the thread that calls this, however that ends.
        """
        port = free_port()
        log = folder / f"{self.key}-{port}.log"
        asked = {"HOST": "127.0.0.1", "PORT": str(port), "WORKERS": str(workers), "THREADS": str(threads)}
        # uvicorn's words for these
        asked |= {"UVICORN_PORT": str(port), "UVICORN_WORKERS": str(workers)} if self.is_async else {}
        url = f"{self.driver}://{database_url.partition('://')[2]}{self.database}"
        begin = partial(_start, self.command, self.root, log, environment(url, **asked | self.environ | environ))
        running = Running(port, log, self.is_async and workers == 1, begin)
        try:
            _wait_for_answer(running)
            yield running
        finally:
            _stop(running.process)


def _start(command: list[str], root: Path, log: Path, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    leash = ["setpriv", "--pdeathsig", "TERM"] if sys.platform == "linux" and shutil.which("setpriv") else []
    with log.open("ab") as output:
        # A session of its own keeps Ctrl-C from it: we stop it in order.
        return subprocess.Popen(
            [*leash, *command],
            cwd=root,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_for_answer(running: Running) -> None:
    end = time.monotonic() + START_SECONDS
    while running.process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{running.url}/?city=London", timeout=5) as answer:
                if answer.read() == b'City "London" is #312\n':
                    return
        except OSError:  # the errors of urllib are too
            pass
        time.sleep(0.05)
    ended = running.process.poll()
    how = f"no right answer after {START_SECONDS} s" if ended is None else f"ended with {ended} at the start"
    raise NotStartedError(f"{how}\n{running.log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in children:  # of a master that was killed
        if left.is_running():
            left.kill()


def _gunicorn(module: str, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "gunicorn"),
        "--config=benchmarks/peers/gunicorn_conf.py",
        *options,
        f"benchmarks.peers.{module}:app",
    ]


OUR_WORKER = "--worker-class=serving.worker.GuardedWorker"


FASTAPI = [
    *(sys.executable, "-m", "uvicorn"),
    *("--host=127.0.0.1", "--no-access-log", "--timeout-keep-alive=65"),
    "benchmarks.peers.fastapi_async:app",
]
OURS = [sys.executable, "-m", "gunicorn"]

# The same work as the peers: no line a request, and no worker that is replaced by a fresh one.
LIKE_THE_PEERS = {"ACCESS_LOG": "off", "MAX_REQUESTS": "0", "ENVIRONMENT": "production"}

_ALL = [
    Stack("floor", "no database (the floor)", _gunicorn("floor")),
    Stack("floor-our-worker", "the floor in our worker", _gunicorn("floor", OUR_WORKER)),
    Stack("raw", "a thread's own bare connection (the raw limit)", _gunicorn("raw")),
    Stack("raw-our-worker", "the raw limit in our worker", _gunicorn("raw", OUR_WORKER)),
    Stack("per-request", "a connection per request, PyMySQL on `g`", _gunicorn("per_request")),
    Stack(
        "per-request-tls-off",
        "a connection per request, `ssl_disabled=True`",
        _gunicorn("per_request"),
        {"TLS_OFF": "on"},
    ),
    Stack("persistent-db", "DBUtils PersistentDB", _gunicorn("persistent_db")),
    Stack("persistent-db-our-worker", "PersistentDB in our worker", _gunicorn("persistent_db", OUR_WORKER)),
    Stack("pooled-db", "DBUtils PooledDB", _gunicorn("pooled_db")),
    Stack("connector-pool", "MySQL Connector/Python's pool", _gunicorn("connector_pool")),
    Stack("singleton-thread", "SQLAlchemy SingletonThreadPool", _gunicorn("singleton_thread")),
    Stack("flask-sqlalchemy", "Flask-SQLAlchemy", _gunicorn("flask_sqlalchemy")),
    Stack(
        "flask-sqlalchemy-pre-ping",
        "Flask-SQLAlchemy, `pool_pre_ping`",
        _gunicorn("flask_sqlalchemy"),
        {"PRE_PING": "on"},
    ),
    Stack("fastapi-async", "FastAPI, async SQLAlchemy, asyncmy", FASTAPI, is_async=True),
    Stack("ours", "**this application**", OURS, LIKE_THE_PEERS),
    Stack("ours-as-shipped", "**this application**, as shipped", OURS, {"ENVIRONMENT": "production"}),
    Stack("ours-mysqlclient", "**this application**, mysqlclient", OURS, LIKE_THE_PEERS, "mysql+mysqldb"),
    Stack("ours-foreign", "**this application**, somebody else's tables", OURS, LIKE_THE_PEERS, database=FOREIGN),
    Stack(
        "ours-request",
        "**this application**, `POOL_STRATEGY=request`",
        OURS,
        LIKE_THE_PEERS | {"POOL_STRATEGY": "request"},
    ),
]

STACKS: dict[str, Stack] = {stack.key: stack for stack in _ALL}
