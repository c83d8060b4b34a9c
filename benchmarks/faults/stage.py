"""Where incidents happen: a server of our own with Sakila on it, and the stacks, each behind a proxy of its own."""

from __future__ import annotations

import dataclasses
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
from sqlalchemy import make_url

from benchmarks.faults.crowd import Crowd
from benchmarks.faults.outcome import Outcome, Times, measure
from benchmarks.faults.routes import TABLES
from benchmarks.stacks import STACKS, Stack
from tests.faults.incidents import Incident, Player, Scene
from tests.faults.support import FaultServer, seeded_database
from tests.support import servers
from tests.support.databases import PREFIX, Database, administer, plain_engine
from tests.support.proxy import Proxy

ROUTES = {
    "flask-sqlalchemy": "benchmarks.faults.routes_flask_sqlalchemy:app",
    "flask-sqlalchemy-pre-ping": "benchmarks.faults.routes_flask_sqlalchemy:app",
    "persistent-db": "benchmarks.faults.routes_persistent_db:app",
    "fastapi-async": "benchmarks.faults.routes_fastapi_async:app",
    "ours": "benchmarks.faults.routes_ours:app",
}
"""The stacks that are compared, and each one's application with the routes that incidents ask for."""


@dataclasses.dataclass(frozen=True)
class Pace:
    """How long an incident takes, in seconds: the fault itself, and what is before and after it."""

    fault: float = 6.0
    before: float = 2.0
    after: float = 3.0


FULL, QUICK = Pace(), Pace(fault=4.0, before=1.0, after=2.0)


class Stage:
    """A server and a database for incidents."""

    def __init__(self, server: FaultServer, database: Database, folder: Path) -> None:
        self.server, self.database, self.folder = server, database, folder
        administer(database.url, *TABLES)

    def perform(self, incident: Incident, keys: Sequence[str], pace: Pace) -> dict[str, Outcome]:
        """Let an incident happen to these stacks, as a rule to all at the same time; return what became of each."""
        groups = [[key] for key in keys] if incident.one_at_a_time else [keys]
        return {key: cell for group in groups for key, cell in self._perform(incident, group, pace).items()}

    def _perform(self, incident: Incident, keys: Sequence[str], pace: Pace) -> dict[str, Outcome]:
        with ExitStack() as stack:
            if incident.variables:
                stack.enter_context(self.server.set_globally(**incident.variables))
            urls = [stack.enter_context(self._copy()) for _ in keys]
            # Before anything is started: a process just forked holds for a moment the port that is being tried out.
            proxies = [stack.enter_context(Proxy("127.0.0.1", self.server.server.url.port)) for _ in keys]
            starters = stack.enter_context(ThreadPoolExecutor(len(keys)))  # must outlive what they start

            def enter(key: str, url: str, proxy: Proxy) -> Player:
                return stack.enter_context(self._player(incident, key, url, proxy))

            try:
                return self._watch(incident, list(starters.map(enter, keys, urls, proxies)), pace)
            finally:
                if incident.touches_server:
                    self.server.repair()

    def _watch(self, incident: Incident, cast: Sequence[Player], pace: Pace) -> dict[str, Outcome]:
        time.sleep(pace.before)
        before = [player.proxy.counts().accepted for player in cast]
        times = self._happen(incident, cast, pace)
        opened = [player.proxy.counts().accepted - count for player, count in zip(cast, before, strict=True)]
        for player in cast:
            _end_at_once(player.master.pid)
        return {
            player.key: measure(
                player.audience.requests, times, count, _kept(player.url), cuts_writes=incident.cuts_writes
            )
            for player, count in zip(cast, opened, strict=True)
        }

    def _happen(self, incident: Incident, cast: Sequence[Player], pace: Pace) -> Times:
        scene = Scene(self.server, cast, pace.fault)
        opened = time.monotonic()
        incident.play(scene)
        recovered = time.monotonic()
        time.sleep(pace.after)
        for player in cast:
            player.audience.end()
        time.sleep(0.2)  # for what was just asked
        return Times(opened, recovered, time.monotonic(), scene.outages, scene.write_outages)

    @contextmanager
    def _player(self, incident: Incident, key: str, url: str, proxy: Proxy) -> Iterator[Player]:
        environ = {"ASK_AT_IMPORT": "1"} if incident.preload else {}
        stack = _for_incident(STACKS[key], incident)
        with stack.start(proxy.url(url), self.folder, incident.workers, **environ) as running:
            try:
                yield Player(key, url, proxy, Crowd(running.port, incident.pause), running.process)
            finally:  # whoever hangs would be waited for
                _end_at_once(running.process.pid)

    @contextmanager
    def _copy(self) -> Iterator[str]:
        """Yield the address of a copy of the database, with a user of its own: no stack meets another's locks."""
        template, token, order = make_url(self.database.url), secrets.token_hex(6), self.server.admin
        copy = template.set(username=f"app_{token}", database=PREFIX + token)
        order(f"CREATE DATABASE {copy.database} CHARACTER SET utf8mb4")
        order(f"CREATE USER '{copy.username}'@'%' IDENTIFIED BY '{copy.password}'")
        order(f"GRANT ALL PRIVILEGES ON {copy.database}.* TO '{copy.username}'@'%'")
        for (table,) in order(f"SHOW TABLES FROM {template.database}"):
            order(f"CREATE TABLE {copy.database}.{table} LIKE {template.database}.{table}")
            order(f"INSERT INTO {copy.database}.{table} SELECT * FROM {template.database}.{table}")
        yield copy.render_as_string(hide_password=False)
        order(f"DROP DATABASE {copy.database}")
        order(f"DROP USER '{copy.username}'@'%'")


def _kept(url: str) -> dict[str, int]:
    """Return how often each write was kept."""
    with plain_engine(url).connect() as connection:
        return dict(connection.exec_driver_sql("SELECT nonce, COUNT(*) FROM visit GROUP BY nonce").all())


def _for_incident(stack: Stack, incident: Incident) -> Stack:
    """Return a stack with the routes of the incidents, started as this one wants it."""
    options, end = ([], -1) if ":" in stack.command[-1] else ([], len(stack.command))
    if incident.max_requests:
        name = "--limit-max-requests" if stack.is_async else "--max-requests"
        options.append(f"{name}={incident.max_requests}")
    if incident.preload and not stack.is_async:  # uvicorn starts workers anew instead of forking
        options.append("--preload")
    return dataclasses.replace(stack, command=[*stack.command[:end], *options, ROUTES[stack.key]])


def _end_at_once(pid: int) -> None:
    """Kill a stack with its workers: nobody waits for those that are stuck."""
    with suppress(psutil.NoSuchProcess):
        master = psutil.Process(pid)
        for process in (master, *master.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()


@contextmanager
def new_stage() -> Iterator[Stage]:
    """Yield a stage with a MariaDB of its own, without TLS, so that the proxies see packets; needs it installed."""
    # A killed server has what it has committed.
    server = FaultServer(servers.start_mariadb_locally("--innodb-flush-log-at-trx-commit=2"))
    try:
        with tempfile.TemporaryDirectory(prefix="sakila-faults-") as folder, seeded_database(server) as database:
            yield Stage(server, database, Path(folder))
    finally:
        server.remove()
