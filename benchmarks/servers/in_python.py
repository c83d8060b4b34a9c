"""`python -m benchmarks.servers.in_python cheroot|bjoern`: serves APP with the servers that are started from Python."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from threading import Thread
from typing import Any


def main(name: str) -> None:
    """Serve until SIGTERM."""
    module, _, attribute = os.environ["APP"].partition(":")
    serve = {"cheroot": _cheroot, "bjoern": _bjoern}[name]
    serve(getattr(import_module(module), attribute), int(os.environ["PORT"]), int(os.environ["THREADS"]))


def _cheroot(app: Any, port: int, threads: int) -> None:
    from cheroot.wsgi import Server

    server = Server(("127.0.0.1", port), app, numthreads=threads, timeout=65, shutdown_timeout=30)
    server.keep_alive_conn_limit = 1000  # 10 by itself: the others' connections are closed after each answer
    # It waits for its threads, so not in the one that is to accept meanwhile.
    signal.signal(signal.SIGTERM, lambda *_: Thread(target=server.stop).start())
    server.start()


def _bjoern(app: Any, port: int, _: int) -> None:
    import bjoern

    bjoern.run(app, "127.0.0.1", port)


if __name__ == "__main__":
    main(sys.argv[1])
