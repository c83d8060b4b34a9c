"""The socket under a driver's connection: to see without a round trip that it was closed, and to end a call on it."""

import ctypes
import os
import select
import socket
from threading import RLock


class _PollFd(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


# Unlike `select.poll` this keeps Python's lock (the GIL): to let go of it for half a microsecond wakes up a thread in
# vain, on every read.
_poll = ctypes.PyDLL(None).poll
_poll.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int)


class SocketWire:
    """A second descriptor of the driver's socket.

    A duplicate, because the driver may close its own at any moment and the number may then belong to somebody else's
    socket, and because wrapping in TLS takes the first one away. Shutting one down ends both.
    """

    def __init__(self, fileno: int) -> None:
        self._socket = socket.socket(fileno=os.dup(fileno))
        self._asked = _PollFd(self._socket.fileno(), select.POLLIN)
        self._where = ctypes.addressof(self._asked)
        self._lock = RLock()  # the garbage collector may close a forgotten connection at any time

    def is_quiet(self) -> bool:
        """Ask the kernel alone, half a microsecond: bytes, an end of file and a reset all make a socket readable."""
        return int(_poll(self._where, 1, 0)) <= 0  # -1: a signal came in between, which says nothing against it

    def cut(self) -> bool:
        """Shut the connection down: whoever reads or writes on it gets an error at once, in any driver.

        The server notices when it has something to say.
        """
        if self._lock.acquire(blocking=False):  # else somebody closes it; to wait for that might be for ever
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # closed by us, or by the other side
                pass
            finally:
                self._lock.release()
        return False

    def close(self) -> None:
        """Close our descriptor, without which the connection would stay open."""
        with self._lock:
            self._socket.close()
