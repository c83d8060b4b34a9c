"""Where incidents happen: every stack is started for each of them, watched, and ended."""

from __future__ import annotations

import dataclasses
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import make_url

from benchmarks.faults.crowd import Crowd
from benchmarks.faults.ground import Ground, new_ground
from benchmarks.faults.incidents import Incident, Player, Scene
from benchmarks.faults.outcome import Outcome, Times, measure
from benchmarks.faults.pace import Pace
from benchmarks.stacks import STACKS, Stack
from testkit.databases import plain_engine
from testkit.proxy import Proxy

ROUTES = {
    "flask-sqlalchemy": "benchmarks.faults.routes_flask_sqlalchemy:app",
    "flask-sqlalchemy-pre-ping": "benchmarks.faults.routes_flask_sqlalchemy:app",
    "persistent-db": "benchmarks.faults.routes_persistent_db:app",
    "fastapi-async": "benchmarks.faults.routes_fastapi_async:app",
    "ours": "benchmarks.faults.routes_ours:app",
}
"""The stacks that are compared, and each one's application with the routes that incidents ask for."""


class Stage:
    """A server, a second one for incidents that need it, and a folder for logs."""

    def __init__(self, ground: Ground, folder: Path, closing: ExitStack) -> None:
        self.ground, self.folder, self._closing = ground, folder, closing
        self._turns = 0

    @cached_property
    def standby(self) -> Ground:
        """The second server, started when it is first asked for."""
        return self._closing.enter_context(new_ground())

    def perform(self, incident: Incident, keys: Sequence[str], pace: Pace) -> dict[str, Outcome]:
        """Let an incident happen to these stacks, to a few at the same time; return what became of each."""
        together = 1 if incident.one_at_a_time else pace.together
        # Whoever is left over and has the machine alone is another one each time.
        turn, self._turns = self._turns % len(keys), self._turns + 1
        rest, cells = [*keys[turn:], *keys[:turn]], dict[str, Outcome]()
        while rest:
            now, rest = rest[:together], rest[together:]
            cells |= self._perform(incident, now, pace)
        return {key: cells[key] for key in keys}

    def _perform(self, incident: Incident, keys: Sequence[str], pace: Pace) -> dict[str, Outcome]:
        server = self.ground.server
        with ExitStack() as stack:
            if incident.variables:
                stack.enter_context(server.set_globally(**incident.variables))
            urls = [stack.enter_context(self._database(incident)) for _ in keys]
            # Before anything is started: a process just forked holds for a moment the port that is being tried out.
            proxies = [stack.enter_context(Proxy("127.0.0.1", server.port)) for _ in keys]
            starters = stack.enter_context(ThreadPoolExecutor(len(keys)))  # must outlive what they start

            def enter(key: str, url: str, proxy: Proxy) -> Player:
                return stack.enter_context(self._player(incident, key, url, proxy))

            try:
                return self._watch(incident, list(starters.map(enter, keys, urls, proxies)), pace)
            finally:
                if incident.touches_server:
                    server.repair()

    def _watch(self, incident: Incident, cast: Sequence[Player], pace: Pace) -> dict[str, Outcome]:
        time.sleep(0 if incident.begins_at_once else pace.before)
        before = [player.proxy.counts().accepted for player in cast]
        times = self._happen(incident, cast, pace)
        opened = [player.proxy.counts().accepted - count for player, count in zip(cast, before, strict=True)]
        for player in cast:
            _end_at_once(player.master.pid)
        return {
            player.key: measure(
                player.audience.requests, times, count, self._kept(incident, player), cuts_writes=incident.cuts_writes
            )
            for player, count in zip(cast, opened, strict=True)
        }

    def _happen(self, incident: Incident, cast: Sequence[Player], pace: Pace) -> Times:
        standby = self.standby.server if incident.needs_standby else None
        with ExitStack() as lasting:
            scene = Scene(self.ground.server, standby, cast, pace.fault, lasting)
            opened = 0.0 if incident.begins_at_once else time.monotonic()
            incident.play(scene)
            recovered = time.monotonic()
            time.sleep(pace.after)
            for player in cast:
                player.audience.end()
            time.sleep(0.2)  # for what was just asked
            return Times(opened, recovered, time.monotonic(), scene.outages, scene.write_outages)

    @contextmanager
    def _database(self, incident: Incident) -> Iterator[str]:
        """Yield the address of a new database, on both servers if there are two."""
        token = secrets.token_hex(6)
        with ExitStack() as stack:
            if incident.needs_standby:
                stack.enter_context(self.standby.copy(token))
            yield stack.enter_context(self.ground.copy(token))

    @contextmanager
    def _player(self, incident: Incident, key: str, url: str, proxy: Proxy) -> Iterator[Player]:
        environ: dict[str, Any] = {"ASK_AT_IMPORT": "1"} if incident.preload else {}
        stack = _for_incident(STACKS[key], incident)
        with stack.start(proxy.url(url), self.folder, incident.workers, **environ) as running:
            try:
                yield Player(key, url, proxy, Crowd(running.port, incident.pause), running.process)
            finally:  # whoever hangs would be waited for
                _end_at_once(running.process.pid)

    def _kept(self, incident: Incident, player: Player) -> list[str]:
        """Return the nonces of the writes that were kept, on whichever server."""
        grounds = [self.ground, self.standby] if incident.needs_standby else [self.ground]
        ports = [ground.server.port for ground in grounds]
        return [nonce for port in ports for nonce in _nonces(player.url, port)]


def _nonces(url: str, port: int) -> list[str]:
    with plain_engine(make_url(url).set(port=port)).connect() as connection:
        return list(connection.exec_driver_sql("SELECT nonce FROM visit").scalars())


def _for_incident(stack: Stack, incident: Incident) -> Stack:
    """Return a stack with the routes of the incidents, started as this one wants it."""
    options, end = ([], -1) if ":" in stack.command[-1] else ([], len(stack.command))
    if incident.max_requests:
        name = "--limit-max-requests" if stack.is_async else "--max-requests"
        options += [f"{name}={incident.max_requests}", f"{name}-jitter={incident.max_requests}"]
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
    """Yield a stage with a server of its own."""
    with ExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="sakila-faults-"))
        yield Stage(closing.enter_context(new_ground()), Path(folder), closing)
