"""What an incident may touch: the server, the network before each stack, and those who ask."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from benchmarks.faults.incidents.cast import Network, Player
from testkit.databases import plain_engine
from testkit.fault_servers import FaultServer

Interval = tuple[float, float]


@dataclass(kw_only=True)
class Scene:
    """The stacks that an incident happens to, all at the same time, and since when the database was away."""

    players: Sequence[Player]
    seconds: float
    """How long a fault lasts."""
    lasting: ExitStack
    """What an incident puts here stays until all is over."""
    outages: list[Interval] = field(default_factory=list)
    """When nobody could have been answered by the database."""
    write_outages: list[Interval] = field(default_factory=list)
    """When it took no writes, though it answered reads."""

    @contextmanager
    def outage(self) -> Iterator[None]:
        """The database is away during the block, for everybody alike."""
        with self._noting(self.outages):
            yield

    @contextmanager
    def write_outage(self) -> Iterator[None]:
        """The database takes no writes during the block."""
        with self._noting(self.write_outages):
            yield

    def wait(self, seconds: float | None = None) -> None:
        """Let time pass, by default as long as a fault lasts."""
        time.sleep(self.seconds if seconds is None else seconds)

    def again_and_again(self, fault: Callable[[], object], every: float = 0.4) -> None:
        """Do something at this pace for as long as a fault lasts."""
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            fault()
            time.sleep(every)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Nobody asks anything during the block."""
        for player in self.players:
            player.audience.rest()
        yield
        for player in self.players:
            player.audience.go_on()

    @contextmanager
    def asking(self, path: str, clients: int) -> Iterator[None]:
        """So many more clients ask for this during the block."""
        with ExitStack() as stack:
            for player in self.players:
                stack.enter_context(player.audience.visiting(path, clients))
            yield

    @contextmanager
    def writing(self, clients: int) -> Iterator[None]:
        """So many more clients write during the block; what was kept is counted at the end."""
        with ExitStack() as stack:
            for player in self.players:
                stack.enter_context(player.audience.writing(clients))
            yield

    def ask_once(self, path: str) -> None:
        """Ask each stack for this, once, without waiting for the answer."""
        for player in self.players:
            player.audience.ask_once(path)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the first process of each stack."""
        for player in self.players:
            player.instance.signal(number)

    @contextmanager
    def _noting(self, intervals: list[Interval]) -> Iterator[None]:
        began = time.monotonic()
        yield
        intervals.append((began, time.monotonic()))


@dataclass(kw_only=True)
class ServerScene(Scene):
    """One server, and the network before each stack."""

    server: FaultServer
    standby: FaultServer | None
    """A second server with the same databases, where an incident needs one."""

    def __post_init__(self) -> None:
        self.network = Network([player.proxy for player in self.players if player.proxy])

    def kill_connections(self) -> None:
        """End all connections to the server that the stacks have now."""
        for player in self.players:
            self.server.kill_connections(make_url(player.url).username or "")

    @contextmanager
    def holding(self, order: str) -> Iterator[None]:
        """Somebody else gives this order in each stack's database, and lets go of what they hold after the block."""
        with ExitStack() as stack:
            for player in self.players:
                connection = stack.enter_context(plain_engine(player.url).connect())
                connection.execute(text(order))
            yield

    @contextmanager
    def no_connection_left(self) -> Iterator[None]:
        """Somebody else holds every connection that the server would still have given away."""
        with ExitStack() as stack:
            engine = plain_engine(self.players[0].url)
            with suppress(OperationalError):
                while True:
                    stack.enter_context(engine.connect())
            yield


@dataclass(frozen=True)
class Incident:
    """One fault: its key, what happened in words, and how it is made to happen."""

    key: str
    story: str
    play: Callable[[Any], None]
    touches_server: bool = False
    """It happens to everybody on that server."""
    hangs: bool = False
    """It takes its time to show, or to pass: whoever has no deadline waits."""
    cuts_writes: bool = False
    """The fault takes away the answers to writes: an error is then the honest answer."""
    variables: Mapping[str, int] = field(default_factory=dict)
    """What the server is set to before the stacks are started."""
    needs_standby: bool = False
    writes_anywhere: bool = False
    """On a cluster: each node is written to, and not one alone."""
    workers: int = 1
    preload: bool = False
    """The application is imported, and asks the database, before its workers are forked."""
    begins_at_once: bool = False
    """The very first requests count."""
    one_at_a_time: bool = False
    """Starting processes takes so much CPU that stacks side by side would be in each other's way."""
    pause: tuple[float, float] = (0.1, 0.3)
    """For how long clients pause after an answer, in seconds."""
    max_requests: int = 0
    """After how many requests a worker is replaced."""


INCIDENTS: dict[str, Incident] = {}
"""All of them, in the order of the table."""


def incident(**options: Any) -> Callable[[Callable[[ServerScene], None]], Callable[[ServerScene], None]]:
    """Put a function among the incidents."""

    def enlist(play: Callable[[ServerScene], None]) -> Callable[[ServerScene], None]:
        made = told(play, **options)
        INCIDENTS[made.key] = made
        return play

    return enlist


def told(play: Callable[[Any], None], **options: Any) -> Incident:
    """Return a function as an incident: its name is the key, its docstring the story."""
    return Incident(play.__name__.replace("_", "-"), (play.__doc__ or "").strip(), play, **options)
