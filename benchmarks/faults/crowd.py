"""The clients of one stack: they keep their HTTP connection, ask for random cities or write, and check every answer."""

from __future__ import annotations

import http.client
import itertools
import random
import re
import secrets
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from tests.support import cities

IDS = {name: number for name, number in cities.first_ids().items() if name.isascii() and "'" not in name}
"""The cities that are asked for: every stack folds these names alike."""
GIVEN_UP_SECONDS = 60
"""Longer than any incident: a hang is measured, not ended."""
CUT_OFF = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
"""How a connection that was closed before a byte of the answer looks from here."""

Kind = Literal["read", "write", "other"]


@dataclass(slots=True, eq=False)
class Request:
    """What was asked, when, and what came of it; `ended` is None as long as nothing has."""

    kind: Kind
    wanted: str
    began: float
    ended: float | None = None
    status: int = 0
    said: str = ""

    @property
    def is_good(self) -> bool:
        """Tell whether it was answered with what was asked for, right or wrong."""
        return self.status == 200

    @property
    def outcome(self) -> str:
        """Return in a few words what came of it."""
        said = re.sub(r"<[^>]*>|\s+", " ", self.said).strip()
        return f"{self.kind} {self.status}: {said[:60]}"

    @property
    def is_wrong(self) -> bool:
        """Tell whether it is an answer, and not the one that is true. A write is judged by what was kept."""
        if self.kind != "read" or self.status not in (200, 404):
            return False
        return self.status == 404 or self.said.strip() != f'City "{self.wanted}" is #{IDS[self.wanted]}'


class Crowd:
    """So many clients, each a thread with a connection that it keeps, pausing for a random while after each answer."""

    def __init__(self, port: int, pause: tuple[float, float], readers: int = 16) -> None:
        self.port, self.pause = port, pause
        self.requests: list[Request] = []
        self._seeds = itertools.count(1)
        self._over, self._open = threading.Event(), threading.Event()
        self._open.set()
        for _ in range(readers):
            self._begin("read", self._over)

    def rest(self) -> None:
        """Let nobody ask anything new."""
        self._open.clear()

    def go_on(self) -> None:
        """Let all ask again."""
        self._open.set()

    def end(self) -> float:
        """Let nobody ask anything new for good; return when that was. Whoever waits for an answer waits on."""
        self._over.set()
        self._open.set()
        return time.monotonic()

    @contextmanager
    def asking(self, path: str, clients: int) -> Iterator[None]:
        """Let more clients ask for this during the block; those under way at its end are not waited for."""
        over = threading.Event()
        for _ in range(clients):
            self._begin("other", over, path)
        yield
        over.set()

    @contextmanager
    def writing(self, clients: int) -> Iterator[None]:
        """Let more clients write during the block."""
        over = threading.Event()
        for _ in range(clients):
            self._begin("write", over)
        yield
        over.set()

    def ask_once(self, path: str) -> None:
        """Ask for this, and do not wait for the answer."""
        over = threading.Event()
        over.set()
        self._begin("other", over, path)

    def _begin(self, kind: Kind, over: threading.Event, path: str = "") -> None:
        threading.Thread(target=self._ask, args=[kind, over, path, next(self._seeds)], daemon=True).start()

    def _ask(self, kind: Kind, over: threading.Event, path: str, seed: int) -> None:
        chance = random.Random(self.port * 1000 + seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GIVEN_UP_SECONDS)
        while True:
            self._open.wait()
            if kind == "read" and self._over.is_set():
                break
            wanted, address = _choice(kind, path, chance)
            asked = Request(kind, wanted, time.monotonic())
            self.requests.append(asked)
            asked.status, asked.said = _answer(connection, kind, address)
            asked.ended = time.monotonic()
            if over.wait(chance.uniform(*self.pause)) or self._over.is_set():
                break
        connection.close()


def _choice(kind: Kind, path: str, chance: random.Random) -> tuple[str, str]:
    if kind == "read":
        name = chance.choice(list(IDS))
        return name, f"/?city={quote(name)}"
    nonce = secrets.token_hex(10)
    return nonce, path or f"/visits?nonce={nonce}"


def _answer(connection: http.client.HTTPConnection, kind: Kind, address: str) -> tuple[int, str]:
    """Return status and text, or 0 and the error."""
    if _was_dropped(connection.sock):
        connection.close()
    was_kept = connection.sock is not None
    try:
        return _exchange(connection, kind, address)
    except CUT_OFF as error:
        connection.close()
        # RFC 9110, section 9.2.2: what was sent on a kept connection that had been closed may be sent again if it only
        # reads. Browsers and proxies do.
        if was_kept and kind != "write":
            return _answer(connection, kind, address)
        return 0, repr(error)
    except Exception as error:
        connection.close()
        time.sleep(0.05)
        return 0, repr(error)


def _was_dropped(sock: socket.socket | None) -> bool:
    """Tell whether the server has closed a kept connection; clients with a pool look before they send."""
    return sock is not None and bool(select.select([sock], [], [], 0)[0])


def _exchange(connection: http.client.HTTPConnection, kind: Kind, address: str) -> tuple[int, str]:
    connection.request("POST" if kind == "write" else "GET", address)
    response = connection.getresponse()
    return response.status, response.read().decode()
