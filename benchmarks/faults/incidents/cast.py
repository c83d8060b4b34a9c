"""Who is on the scene of an incident: the stacks, with those who ask them and the proxies before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from testkit.clients import Request
from testkit.packets import Cut, Direction
from testkit.proxy import Proxy


class Audience(Protocol):
    """Those who ask one stack."""

    @property
    def requests(self) -> Sequence[Request]:
        """All that was asked so far."""

    def rest(self) -> None:
        """Ask nothing new for a while."""

    def go_on(self) -> None:
        """Ask again."""

    def end(self) -> None:
        """Ask nothing new for good."""

    def visiting(self, path: str, clients: int) -> AbstractContextManager[None]:
        """Let so many more ask for this during the block."""

    def writing(self, clients: int) -> AbstractContextManager[None]:
        """Let so many more write during the block."""

    def ask_once(self, path: str) -> None:
        """Ask for this, and do not wait for the answer."""


class Instance(Protocol):
    """The processes of a stack."""

    def signal(self, number: int) -> None:
        """Send the first of them a signal."""

    def kill(self) -> None:
        """Kill them all."""

    def start_again(self) -> None:
        """Start them again at the same address; return once somebody listens there."""


@dataclass
class Player:
    """One stack on the scene: its database, its clients, its processes, its proxy if it has one."""

    key: str
    url: str = field(repr=False)
    """The database's address, past the proxy; nobody else uses the database, nor its user."""
    audience: Audience
    instance: Instance
    proxy: Proxy | None = None


class Network:
    """The proxies of all players as if they were one; each has its own, so no one's traffic is in another's way."""

    def __init__(self, proxies: Sequence[Proxy]) -> None:
        self._proxies = proxies

    def __getattr__(self, name: str) -> Callable[..., None]:
        def all_of_them(*values: Any, **options: Any) -> None:
            for proxy in self._proxies:
                getattr(proxy, name)(*values, **options)

        return all_of_them

    def cut_one(self, when: Cut, direction: Direction = "to server", *, holding: bytes = b"") -> None:
        """Cut one connection of each player, once, at the next packet that holds this."""
        self.cut(when, direction, holding=holding)
