"""How often an answer lets go of the GIL, and so has to wait for it again behind all other threads.

Counted are the calls on sockets that do so, in the thread of the server's worker that answers on a kept connection.
"""

import select
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import inf
from types import BuiltinMethodType
from typing import Any
from unittest.mock import Mock, patch

from gunicorn.config import Config

from serving.turns import Turns

ASKED = b"GET /?city=London HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n"
WARMING, COUNTED = 5, 10

KEEPS_IT = frozenset({"detach", "fileno", "getpeername", "getsockopt", "gettimeout", "register", "setsockopt"})
"""Methods that ask nothing of the kernel, or so little that they keep the lock."""


def releases(worker_class: type[Any], app: Any) -> int:
    """Return their number for a warm answer, from the client's word to the wait for the next one."""
    worker = worker_class(1, 1, [], None, 1, Config(), Mock())
    worker.wsgi, worker.threads, worker.has_tls, worker.waiting = app, 2, False, {}
    worker.most, worker.longest_wait, worker.seen = inf, inf, 0.0
    worker.turns, worker.enqueue_req = Turns(2, Mock()), Mock()
    try:
        _count(worker, WARMING)  # it connects to the database, too
        return (_count(worker, WARMING + COUNTED) - _count(worker, WARMING)) // COUNTED
    finally:
        worker.tmp.close()


def _count(worker: Any, answers: int) -> int:
    """Return it for so many answers on a connection, and its beginning and end."""
    with socket.create_server(("127.0.0.1", 0)) as there, ThreadPoolExecutor(1) as pool:
        client = pool.submit(_ask, there.getsockname(), answers)
        worker.busy = 1
        worker.accept(there)
        conn = worker.enqueue_req.call_args.args[0]
        conn.asked = 0.0
        # However slow this machine is: with its patience at an end a thread would begin anew.
        with patch("serving.worker.LINGER_MILLISECONDS", 60_000), _counting() as counted:
            while worker.handle(conn):
                pass
        client.result()
        conn.close()
        return len(counted)


def _ask(address: Any, answers: int) -> None:
    with socket.create_connection(address) as here, here.makefile("rb") as received:
        for _ in range(answers):
            here.sendall(ASKED)
            length = 0
            while (line := received.readline()) != b"\r\n":
                assert line, "no answer"
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            assert received.read(length), "no answer"


@contextmanager
def _counting() -> Iterator[list[str]]:
    """Yield the names of such calls in this thread."""
    names: list[str] = []
    kinds = (socket.socket, type(select.poll()))

    def note(_frame: object, event: str, called: Any) -> None:
        if event == "c_call" and isinstance(called, BuiltinMethodType) and isinstance(called.__self__, kinds):
            names.extend({called.__name__} - KEEPS_IT)

    sys.setprofile(note)
    try:
        yield names
    finally:
        sys.setprofile(None)
