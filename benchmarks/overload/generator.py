"""`python -m benchmarks.overload.generator FOLDER`: send what its spec.json says, and write answers.json.

A process of its own with nothing but the standard library, so that it costs little and what it costs can be told. It
prints the moment (monotonic) of its beginning, and ends by itself.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

from benchmarks.overload.answers import GIVE_UP_SECONDS, Answer, Kind, Phase
from benchmarks.overload.connections import Asked, Connection, Question, Told

SWEEP_SECONDS = 0.02
PAUSE_SECONDS = 0.05
"""Of a client that got no connection, or lost it."""


class Generator:
    """Takes a free connection for each request, the last used first, or opens one: none waits for another."""

    def __init__(self, port: int, questions: Sequence[Question], seed: int) -> None:
        self.answers: list[Answer] = []
        self._port, self._questions, self._dice = port, questions, random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self.began = self._loop.time()
        self._free: dict[Connection, None] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._asked: deque[Asked] = deque()

    async def run(self, phases: Sequence[Phase]) -> list[float]:
        """Send what is due, phase by phase; return how much of a core each of them took."""
        sweeper = self._loop.create_task(self._sweep())
        shares, end = [], self.began
        for phase in phases:
            began, cpu = end, time.process_time()
            end += phase.seconds
            if phase.clients:
                await self._have_clients(phase.clients, end)
            else:
                await self._have_arrivals(phase.rate, began, end)
            shares.append((time.process_time() - cpu) / (self._loop.time() - began))
        while self._asked:  # each is answered or given up
            await asyncio.sleep(SWEEP_SECONDS)
        for task in (sweeper, *self._lives):
            task.cancel()
        return shares

    async def _have_clients(self, number: int, end: float) -> None:
        """Let so many clients ask, each again as soon as something has come of what it asked."""

        def begin() -> None:
            if (now := self._loop.time()) < end:
                self._ask(now, again)

        def again(kind: Kind) -> None:
            if kind == "lost":
                self._loop.call_later(PAUSE_SECONDS, begin)
            else:
                begin()

        for _ in range(number):
            begin()
        await asyncio.sleep(end - self._loop.time())

    async def _have_arrivals(self, rate: float, due: float, end: float) -> None:
        """Ask at random moments (Poisson), whatever has become of what was asked before."""
        over = self._loop.create_future()

        def arrive(due: float) -> None:
            while due <= self._loop.time():
                if due >= end:
                    over.set_result(None)
                    return
                self._ask(due, lambda _: None)
                due += self._dice.expovariate(rate)
            self._loop.call_at(due, arrive, due)

        arrive(due + self._dice.expovariate(rate))
        await over

    def _ask(self, due: float, after: Callable[[Kind], object]) -> None:
        asked = Asked(self._dice.choice(self._questions), due, after)
        self._asked.append(asked)
        if self._free:
            self._free.popitem()[0].send(asked)
        else:
            asked.life = self._loop.create_task(self._live(asked))
            self._lives.add(asked.life)
            asked.life.add_done_callback(self._lives.discard)

    async def _live(self, asked: Asked) -> None:
        """Keep a connection from its beginning, for this question, to its end."""
        make = partial(Connection, self, self._loop.create_future())
        try:
            _, connection = await self._loop.create_connection(make, "127.0.0.1", self._port)
        except OSError:
            self.lose(asked)
            return
        asked.life = None
        connection.send(asked)
        try:
            await connection.ended
        finally:
            connection.drop()

    def hear(self, asked: Asked, told: Told, connection: Connection) -> None:
        """Note an answer, and keep the connection if it stays."""
        if told.keeps_open:
            self._free[connection] = None
        else:
            connection.drop()
        self._end(asked, told.kind(asked.question.right), told.inside)

    def lose(self, asked: Asked) -> None:
        """Note that there will be no answer."""
        self._end(asked, "lost")

    def forget(self, connection: Connection) -> None:
        """Ask nothing more on this one."""
        self._free.pop(connection, None)

    async def _sweep(self) -> None:
        """Give up what has had no answer for too long."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            too_old = self._loop.time() - GIVE_UP_SECONDS
            while self._asked and (self._asked[0].is_over or self._asked[0].due <= too_old):
                self._give_up(self._asked.popleft())

    def _give_up(self, asked: Asked) -> None:
        if asked.is_over:
            return
        if asked.connection:
            asked.connection.drop()
        elif asked.life:
            asked.life.cancel()
        self._end(asked, "gave up")

    def _end(self, asked: Asked, kind: Kind, inside: float | None = None) -> None:
        asked.is_over, asked.connection = True, None
        self.answers.append(Answer(asked.due - self.began, self._loop.time() - self.began, kind, inside))
        asked.after(kind)


async def generate(folder: Path) -> None:
    """Do what the specification in this folder says."""
    spec = json.loads((folder / "spec.json").read_text("utf-8"))
    host = f"Host: 127.0.0.1:{spec['port']}"
    questions = [
        Question(f"GET /?city={quote(name)} HTTP/1.1\r\n{host}\r\nAccept: */*\r\n\r\n".encode(), right.encode())
        for name, right in spec["questions"].items()
    ]
    phases = [Phase(*phase) for phase in spec["phases"]]
    generator = Generator(spec["port"], questions, spec["seed"])
    print(generator.began, flush=True)
    longest = sum(phase.seconds for phase in phases) + 2 * GIVE_UP_SECONDS
    shares = await asyncio.wait_for(generator.run(phases), longest)
    (folder / "answers.json").write_text(json.dumps({"answers": generator.answers, "cpu": shares}), "utf-8")


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # nobody is interested any more
        asyncio.run(generate(Path(sys.argv[1])))
