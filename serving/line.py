"""A client's connection that asks as little of the kernel as an answer needs.

Each call lets go of Python's lock, and has to wait for it again: where sixteen threads are at work that takes longer
than the call, and with a handful of calls for each answer longer than all that the answer itself needs.
"""

import ctypes
import re
from contextlib import suppress
from os import get_blocking
from select import POLLIN, poll
from socket import MSG_DONTWAIT, MSG_PEEK, socket
from threading import local
from typing import Any

HEAD = re.compile(rb"HTTP/1\.[01] [2-5][^\0]*\r\n\r\n")

# Called like this they keep the lock: what never waits need not let go of it, and the loop has a thousand such calls.
_kernel = ctypes.PyDLL(None)
_recv, _send = _kernel.recv, _kernel.send
_recv.argtypes = _send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_recv.restype = _send.restype = ctypes.c_ssize_t
# To make a flag of two takes as long as the call.
AT_ONCE, LOOK = int(MSG_DONTWAIT), int(MSG_PEEK | MSG_DONTWAIT)

LONGEST_SEEN = 8192


class _Room(local):
    """A thread's own room for what arrives."""

    def __init__(self) -> None:
        self.room = ctypes.create_string_buffer(LONGEST_SEEN)


_mine = _Room()


def seen(sock: Any, length: int = LONGEST_SEEN) -> bytes:
    """Return what has arrived on any socket, so much of it at the most, and leave it there."""
    room = _mine.room
    arrived = _recv(sock.fileno(), room, length, LOOK)
    return ctypes.string_at(room, max(0, arrived))


class Line(socket):
    """A socket that sends the head of an answer together with the first piece of its body."""

    def __init__(self, accepted: socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        if not get_blocking(self.fileno()):  # as macOS has those who come in at a listener that is not
            super().setblocking(True)
        self._head = b""
        self._poll = poll()
        self._poll.register(self, POLLIN)

    def setblocking(self, flag: bool) -> None:
        """Have calls wait, as ever: Gunicorn's loop has them not do so, and calls nothing that would."""

    def settimeout(self, value: float | None) -> None:
        """Have calls wait so long, if that is news; Gunicorn says twice for each request that there is no end to it."""
        if value != self.gettimeout():
            super().settimeout(value)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send it, behind the head that was kept; a head itself is kept for what comes next, or for `finish`."""
        if self._head:
            data, self._head = self._head + data, b""
        elif HEAD.fullmatch(data):
            self._head = data
            return
        super().sendall(data, flags)

    def sendfile(self, *arguments: Any, **more: Any) -> int:
        """Send a file, the head before it."""
        self.finish()
        return super().sendfile(*arguments, **more)

    def finish(self) -> None:
        """Send the head of an answer that has no body."""
        if self._head:
            self.sendall(b"")

    def reply(self, asked: bytes, said: bytes) -> bool:
        """Take what was asked, as it was `seen`, and say something short; tell whether all of it could be sent.

        Whoever reads nothing hears nothing, or a part of it.
        """
        descriptor = self.fileno()
        _recv(descriptor, _mine.room, len(asked), AT_ONCE)
        return bool(_send(descriptor, said, len(said), AT_ONCE) == len(said))

    def shutdown(self, how: int) -> None:
        """Close one direction or both, with nothing kept back."""
        with suppress(OSError):  # whoever asked has gone
            self.finish()
        super().shutdown(how)

    def has_news(self, milliseconds: float) -> bool:
        """Wait so long for something to arrive, or for the end."""
        return bool(self._poll.poll(milliseconds))
