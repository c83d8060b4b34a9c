"""A server that echoes, and clients that speak to it: all that the tests of the proxy need."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress

from testkit.proxy import Proxy


class Echo:
    """Answers every piece with the same bytes, and remembers what it got and how each connection ended."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard, self.ends = bytearray(), list[str]()
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def stop(self) -> None:
        """Take nobody any more, and wait for those who talk."""
        with suppress(OSError):  # stopped before
            self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self._talk, args=[peer]))
                self.threads[-1].start()

    def _talk(self, peer: socket.socket) -> None:
        with closing(peer):
            try:
                while data := peer.recv(65536):
                    self.heard += data
                    peer.sendall(data)
                self.ends.append("closed")
            except OSError as error:
                self.ends.append(type(error).__name__)


def connect(proxy: Proxy, seconds: float = 2) -> socket.socket:
    """Return a client's end of a connection through the proxy."""
    return socket.create_connection(("127.0.0.1", proxy.port), seconds)


def packet(payload: bytes, sequence: int = 0) -> bytes:
    """Return a packet as MySQL frames it."""
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def echoed(client: socket.socket, data: bytes) -> bytes:
    """Return what comes back, until it is as long as what was sent."""
    client.sendall(data)
    answer = b""
    while len(answer) < len(data) and (more := client.recv(65536)):
        answer += more
    return answer


def is_silent(client: socket.socket, seconds: float = 0.2) -> bool:
    """Tell whether nothing comes for so long, neither bytes nor an end."""
    client.settimeout(seconds)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    return False
