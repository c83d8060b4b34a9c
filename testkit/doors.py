"""The port of the proxy, and how it treats those who come."""

from __future__ import annotations

import socket
from typing import Literal

from testkit.processes import free_port

Arrivals = Literal["pass", "silent", "refuse", "lose"]


class Door:
    """A port of 127.0.0.1 that stays ours even while it refuses."""

    def __init__(self) -> None:
        self.port = free_port()
        self._fillers: list[socket.socket] = []
        self.listener = self._bind()
        self.listener.listen(256)

    def treat(self, arrivals: Arrivals) -> None:
        """Treat those who come like this; those who have come and were not yet accepted are sent away."""
        self.close()
        self.listener = self._bind()
        if arrivals == "lose":
            self.listener.listen(0)  # Linux: a queue of one, and no answer to who does not fit in
            self._fillers = [socket.socket() for _ in range(3)]
            for filler in self._fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", self.port))
        elif arrivals != "refuse":
            self.listener.listen(256)

    def close(self) -> None:
        """Give the port up."""
        for sock in (self.listener, *self._fillers):
            sock.close()
        self._fillers = []

    def _bind(self) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(("127.0.0.1", self.port))
        return listener
