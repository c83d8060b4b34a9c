"""The stage of one server, behind a TCP proxy for each stack."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from benchmarks.faults.ground import Ground, new_ground
from benchmarks.faults.incidents import Incident, Player, ServerScene
from benchmarks.faults.outcome import Outcome, Times, measure
from benchmarks.faults.pace import Pace
from benchmarks.faults.stage import Stage
from testkit.databases import plain_engine
from testkit.proxy import Proxy


class ServerStage(Stage[Outcome]):
    """A server, a second one for incidents that need it, and a folder for logs."""

    def __init__(self, ground: Ground, folder: Path, closing: ExitStack) -> None:
        super().__init__(folder)
        self.ground, self._closing = ground, closing

    @cached_property
    def standby(self) -> Ground:
        """The second server, started when it is first asked for."""
        return self._closing.enter_context(new_ground())

    def _perform(self, incident: Incident, keys: Sequence[str], pace: Pace) -> dict[str, Outcome]:
        server = self.ground.server
        environ: dict[str, Any] = {"ASK_AT_IMPORT": "1"} if incident.preload else {}
        with ExitStack() as stack:
            if incident.variables:
                stack.enter_context(server.set_globally(**incident.variables))
            urls = [stack.enter_context(self._database(incident)) for _ in keys]
            # Before anything is started: a process just forked holds for a moment the port that is being tried out.
            proxies = [stack.enter_context(Proxy("127.0.0.1", server.port)) for _ in keys]
            starters = stack.enter_context(ThreadPoolExecutor(len(keys)))  # must outlive what they start

            def enter(key: str, url: str, proxy: Proxy) -> Player:
                return stack.enter_context(self._player(incident, key, url, proxy, **environ))

            try:
                cast = list(starters.map(enter, keys, urls, proxies))
                return self._watch(incident, cast, proxies, pace)
            finally:
                if incident.touches_server:
                    server.repair()

    def _watch(
        self, incident: Incident, cast: Sequence[Player], proxies: Sequence[Proxy], pace: Pace
    ) -> dict[str, Outcome]:
        time.sleep(0 if incident.begins_at_once else pace.before)
        before = [proxy.counts().accepted for proxy in proxies]
        times = self._play(incident, cast, pace)
        opened = [proxy.counts().accepted - count for proxy, count in zip(proxies, before, strict=True)]
        for player in cast:
            player.instance.kill()
        return {
            player.key: measure(
                player.audience.requests, times, count, self._kept(incident, player), cuts_writes=incident.cuts_writes
            )
            for player, count in zip(cast, opened, strict=True)
        }

    def _play(self, incident: Incident, cast: Sequence[Player], pace: Pace) -> Times:
        standby = self.standby.server if incident.needs_standby else None
        with ExitStack() as lasting:
            scene = ServerScene(
                players=cast, seconds=pace.fault, lasting=lasting, server=self.ground.server, standby=standby
            )
            return self._happen(incident, scene, pace)

    @contextmanager
    def _database(self, incident: Incident) -> Iterator[str]:
        """Yield the address of a new database, on both servers if there are two."""
        token = secrets.token_hex(6)
        with ExitStack() as stack:
            if incident.needs_standby:
                stack.enter_context(self.standby.copy(token))
            yield stack.enter_context(self.ground.copy(token))

    def _kept(self, incident: Incident, player: Player) -> list[str]:
        """Return the nonces of the writes that were kept, on whichever server."""
        grounds = [self.ground, self.standby] if incident.needs_standby else [self.ground]
        ports = [ground.server.port for ground in grounds]
        return [nonce for port in ports for nonce in _nonces(player.url, port)]


def _nonces(url: str, port: int) -> list[str]:
    with plain_engine(make_url(url).set(port=port)).connect() as connection:
        return list(connection.exec_driver_sql("SELECT nonce FROM visit").scalars())


@contextmanager
def new_stage() -> Iterator[ServerStage]:
    """Yield a stage with a server of its own."""
    with ExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="sakila-faults-"))
        yield ServerStage(closing.enter_context(new_ground()), Path(folder), closing)
