"""The load generator's connections and its questions: HTTP by hand, since each step here is taken from the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from benchmarks.overload.answers import Kind


class Question(NamedTuple):
    """What is sent, and the one right body."""

    request: bytes
    right: bytes


class Asked:
    """A question that was due at a moment. `after` is called with what came of it."""

    __slots__ = ("after", "connection", "due", "is_over", "life", "question")

    def __init__(self, question: Question, due: float, after: Callable[[Kind], object]) -> None:
        self.question, self.due, self.after = question, due, after
        self.is_over = False
        self.connection: Connection | None = None
        self.life: asyncio.Task[None] | None = None
        """Of the connection that is being opened for it."""


class Told(NamedTuple):
    """An answer as it came."""

    status: int
    body: bytes
    inside: float | None
    keeps_open: bool

    def kind(self, right: bytes) -> Kind:
        """Return what this is for a question with that right body."""
        if self.status == 200:
            return "right" if self.body == right else "wrong"
        if self.inside is None:
            return "rejected before"
        return "rejected" if self.status == 503 else "failed"


class Listener(Protocol):
    """Who is told of all that happens."""

    def hear(self, asked: Asked, told: Told, connection: Connection) -> None:
        """An answer came."""

    def lose(self, asked: Asked) -> None:
        """A connection ended before its answer."""

    def forget(self, connection: Connection) -> None:
        """A connection ended."""


class Connection(asyncio.Protocol):
    """Sends one question at a time, and reads the answer to it."""

    __slots__ = ("_asked", "_got", "_listener", "_transport", "ended")

    def __init__(self, listener: Listener, ended: asyncio.Future[None]) -> None:
        self._listener, self.ended = listener, ended
        self._asked: Asked | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over what writes."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, asked: Asked) -> None:
        """Ask."""
        self._asked, self._got, asked.connection = asked, b"", self
        self._transport.write(asked.question.request)

    def data_received(self, data: bytes) -> None:
        """Read on; bytes that nobody asked for are passed over."""
        self._got += data
        if self._asked and (told := read(self._got)):
            self._tell(self._asked, told)

    def connection_lost(self, error: Exception | None) -> None:
        """An answer without a length ends with its connection."""
        self._listener.forget(self)
        if self._asked and (told := read(self._got, is_the_end=True)):
            self._tell(self._asked, told)
        elif self._asked:
            self._listener.lose(self._asked)
        if not self.ended.done():
            self.ended.set_result(None)

    def drop(self) -> None:
        """Close, and hear of nothing any more."""
        self._asked = None
        self._transport.abort()

    def _tell(self, asked: Asked, told: Told) -> None:
        self._asked = asked.connection = None
        self._listener.hear(asked, told, self)


def read(got: bytes, *, is_the_end: bool = False) -> Told | None:
    """Return the answer that these bytes are, None as long as they are not all of it."""
    head, gap, body = got.partition(b"\r\n\r\n")
    if not gap:
        return None
    head = head.lower() + b"\r\n"
    length, inside = _field(head, b"\r\ncontent-length:"), _field(head, b"\r\nseconds-inside:")
    if not is_the_end and (length is None or len(body) < int(length)):
        return None
    if length is not None and len(body) < int(length):
        return None  # cut off
    keeps_open = not is_the_end and b"\r\nconnection: close" not in head
    return Told(int(head[9:12]), body, None if inside is None else float(inside), keeps_open)


def _field(head: bytes, name: bytes) -> bytes | None:
    begin = head.find(name)
    return None if begin < 0 else head[begin + len(name) : head.index(b"\r\n", begin + 2)]
