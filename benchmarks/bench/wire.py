"""A proxy between a stack and the database, in a process of its own: it delays, or counts commands and idle time."""

from __future__ import annotations

import multiprocessing
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from time import monotonic, perf_counter
from typing import Any, Literal, Self

import pymysql
from sqlalchemy import make_url

from benchmarks.bench import wrk
from testkit.packets import COM_QUIT, Packet
from testkit.proxy import Proxy

PINGS = 200
ASKED = 100
MOST_PAUSES = 50
SETTLING_SECONDS = 0.2
"""Some stacks tidy up their connection after the answer."""


class Wire:
    """The proxy, seen from here; `with` stops its process."""

    def __init__(self, database_url: str, *, delay_seconds: float = 0.0, watches: bool = False) -> None:
        url = make_url(database_url)
        # spawned, not forked: this process has threads
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        arguments = (end, url.host, url.port, delay_seconds, watches)
        self._process = context.Process(target=_serve, args=arguments, name="wire", daemon=True)
        self._process.start()
        self.url = url.set(host="127.0.0.1", port=self._pipe.recv()).render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._pipe.send("stop")
        self._process.join(5)
        self._process.kill()

    def forget(self) -> None:
        """Forget the connections there were: the next stack has its own."""
        self._order("forget")

    def begin(self) -> None:
        """Count from now on."""
        self._order("begin")

    def read(self) -> dict[str, float]:
        """Return what has passed since then: commands, seconds connections were open, seconds they were busy."""
        counted: dict[str, float] = self._order("read")
        return counted

    def passes_anything(self) -> bool:
        """Count from now on, and tell whether a command passes at once."""
        self.begin()
        time.sleep(SETTLING_SECONDS)
        return self.read()["commands"] > 0

    def _order(self, what: Literal["forget", "begin", "read"]) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()


@dataclass
class Life:
    """One connection: how long it is there, and for how much of that a command is under way."""

    began: float
    asked: float = 0.0
    answered: float = 0.0
    busy: float = 0.0
    ended: float = 0.0
    commands: int = 0

    def ask(self, now: float, command: int) -> None:
        """A command goes to the server; with a goodbye the connection is over."""
        self.settle()
        self.commands += 1
        self.asked = now
        if command == COM_QUIT:
            self.ended = now

    def settle(self) -> None:
        """Count the command that was answered."""
        self.busy += max(0.0, self.answered - self.asked) if self.asked else 0.0
        self.asked = self.answered = 0.0


class Watcher:
    """A hook of the proxy's. A connection's time begins with its first command: logging in is not idling."""

    def __init__(self) -> None:
        self._lives: dict[int, Life] = {}

    def __call__(self, packet: Packet) -> None:
        """Note a packet; never cut."""
        now = monotonic()
        if packet.direction == "to client":
            if life := self._lives.get(packet.connection):
                life.answered = now
        elif packet.command is not None:
            self._lives.setdefault(packet.connection, Life(now)).ask(now, packet.command)

    def forget(self) -> None:
        """Forget all."""
        self._lives = {}

    def begin(self) -> None:
        """Forget what was, but not which connections there are."""
        now = monotonic()
        self._lives = {number: Life(now) for number, life in self._lives.items() if not life.ended}

    def read(self) -> dict[str, float]:
        """Return commands, and the seconds in which connections were open and busy."""
        now, lives = monotonic(), list(self._lives.values())
        for life in lives:
            life.settle()
        return {
            "commands": sum(life.commands for life in lives),
            "open_seconds": sum((life.ended or now) - life.began for life in lives),
            "busy_seconds": sum(life.busy for life in lives),
        }


def _serve(pipe: Connection, host: str, port: int, delay_seconds: float, watches: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our parent, who then stops us
    watcher = Watcher()
    with Proxy(host, port, is_mysql=watches) as proxy:
        proxy.delay(delay_seconds)
        proxy.watch(watcher if watches else None)
        pipe.send(proxy.port)
        with suppress(EOFError):
            while (order := pipe.recv()) != "stop":
                pipe.send(getattr(watcher, order)())


def commands_per_answer(port: int, proxy: Wire, asked: int = ASKED) -> float:
    """Return how many commands pass for an answer, of a stack that is warm and does nothing else."""
    for _ in range(MOST_PAUSES):
        if not proxy.passes_anything():  # answers that nobody waits for any more
            break
    wrk.ask_by_hand(port, asked)
    time.sleep(SETTLING_SECONDS)
    return proxy.read()["commands"] / asked


def ping_ms(database_url: str, pings: int = PINGS) -> float:
    """Return the median round trip of so many COM_PINGs on this address, in milliseconds."""
    url = make_url(database_url)
    arguments: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    connection = pymysql.connect(**arguments, ssl_disabled=True)
    try:
        return median(_seconds_of_a_ping(connection) for _ in range(pings)) * 1000
    finally:
        connection.close()


def _seconds_of_a_ping(connection: pymysql.Connection) -> float:
    began = perf_counter()
    connection.ping(reconnect=False)
    return perf_counter() - began
