"""A plan carried out: the servers side by side under load, and then each by itself while it stops and reloads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks.bench import wrk
from benchmarks.bench.plan import HEADLINE, SECONDS_AROUND_A_ROUND
from benchmarks.bench.progress import Advance
from benchmarks.servers import losses, speed
from benchmarks.servers.rows import APPS, Server
from benchmarks.servers.table import Results
from benchmarks.stacks import NotStartedError, Running

SECONDS_TO_START, SECONDS_OF_LOSSES = 2.5, 14


@dataclass(frozen=True)
class Plan:
    """How often: rounds of load, and reloads, replacements and stops of each server."""

    laps: int
    seconds: int
    times: int

    def length(self, servers: Sequence[Server]) -> float:
        """Return how many seconds it takes, about."""
        rounds = len(servers) * len(APPS) * (SECONDS_TO_START + self.laps * (self.seconds + SECONDS_AROUND_A_ROUND))
        return rounds + self.times * SECONDS_OF_LOSSES * sum(server.is_watched for server in servers)


FULL, QUICK = Plan(5, 1, 2), Plan(1, 1, 1)


@dataclass(frozen=True)
class Experiment:
    """A plan, the database, where the servers' programs are, and a folder for logs."""

    plan: Plan
    url: str
    binaries: Path
    folder: Path
    results: Results

    def measure_speed(self, servers: Sequence[Server], advance: Advance) -> None:
        """Ask all in turn, A B C A B C, so that a slow minute of the machine meets all."""
        names = wrk.write_names(self.folder)
        with ExitStack() as closing:
            running: dict[tuple[str, str], Running] = {}
            for server, app in product(servers, APPS):
                try:
                    one = closing.enter_context(self._start(server, app))
                    speed.ask(one, names, HEADLINE, 1)
                    running[server.key, app] = one
                except (NotStartedError, wrk.WrkError) as error:
                    self.results.absent[server.key] = str(error)
                advance.step(SECONDS_TO_START)
            for lap in range(1, self.plan.laps + 1):
                advance.say(f"round {lap} of {self.plan.laps}")
                for key, one in running.items():
                    found = speed.ask(one, names, HEADLINE, self.plan.seconds)
                    self.results.speeds.setdefault(key, []).append(found)
                    advance.step(self.plan.seconds + SECONDS_AROUND_A_ROUND)

    def count_losses(self, server: Server, advance: Advance) -> None:
        """Count what fails when it reloads, replaces its workers, and stops."""
        for _ in range(self.plan.times):
            with self._start(server, "ours") as one:
                if server.reload:
                    self._note(server, "reload", losses.at_reload(one, server.reload))
                self._note(server, "stop", losses.at_stop(one))
        if server.recycling:
            with self._start(server, "ours", is_recycling=True) as one:
                self._note(server, "recycling", losses.at_recycling(one, self.plan.times))
        advance.step(self.plan.times * SECONDS_OF_LOSSES)

    @contextmanager
    def _start(self, server: Server, app: str, *, is_recycling: bool = False) -> Iterator[Running]:
        root = Path(tempfile.mkdtemp(dir=self.folder))
        root.chmod(0o777)  # Apache's processes are another user's
        stack = server.stack(app, self.binaries, root, is_recycling=is_recycling)
        with stack.start(self.url, self.folder, threads=server.threads) as running:
            yield running

    def _note(self, server: Server, event: str, loss: losses.Loss) -> None:
        known = self.results.losses.get((server.key, event), losses.Loss())
        self.results.losses[server.key, event] = known + loss
