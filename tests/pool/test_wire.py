"""The socket under a connection: cut and closed from threads that know nothing of each other."""

from __future__ import annotations

import socket
import threading

import pytest

from steadypool.drivers.wire import SocketWire


class Forgotten:
    """A descriptor in the middle of whose shutdown the garbage collector finds the connection forgotten."""

    def __init__(self, wire: SocketWire) -> None:
        self._wire, self._real = wire, wire._socket

    def shutdown(self, how: int) -> None:
        self._wire._socket = self._real
        self._wire.close()
        self._real.shutdown(how)


def test_a_wire_may_be_closed_while_the_same_thread_cuts_it() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = SocketWire(ours.fileno())
        wire._socket = Forgotten(wire)  # type: ignore[assignment] # in the place of a socket
        cutting = threading.Thread(target=wire.cut, daemon=True)

        cutting.start()
        cutting.join(2)

        assert not cutting.is_alive(), "it waits for itself, and everybody who is lent a connection for it"
        assert not wire.is_quiet()
        wire.close()
        wire.cut()  # too late, and no error
        with pytest.raises(OSError, match="Bad file"):
            wire._socket.getpeername()
