"""Commands in processes of their own that need not import everything first: forked from one that has done so once.

A start of Python with Flask and SQLAlchemy takes a second of CPU, and the tests need some two hundred.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from testkit import ROOT

SECONDS = 90
IMPORTED_BEFORE = ("alembic.config", "flask.cli", "app", "migrations.lock", "pymysql", "psycopg")
"""What the commands will need. It is for the process that becomes them: this package imports none of it."""


def run(module: str, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Return how `python -m module arguments` ended in the project's folder, with this environment and no other."""
    with tempfile.TemporaryDirectory(prefix="command-") as folder, socket.socket(socket.AF_UNIX) as asking:
        said = [Path(folder, name) for name in ("stdout", "stderr")]
        asking.settimeout(SECONDS)
        asking.connect(_forker())
        command = [module, *arguments]
        request = {"argv": command, "env": env, "said": list(map(str, said))}
        asking.sendall(json.dumps(request).encode() + b"\n")
        answer = asking.makefile().readline()
        return subprocess.CompletedProcess(command, int(answer), *(path.read_text() for path in said))


_starting = threading.Lock()


def _forker() -> str:
    with _starting:
        return _started()


@cache
def _started() -> str:
    """Return the address of the process that forks; it ends with this one."""
    folder = tempfile.TemporaryDirectory(prefix="forker-")
    address = f"{folder.name}/socket"
    command = [sys.executable, "-m", __name__, address, *IMPORTED_BEFORE]
    forker = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert forker.stdout
    assert forker.stdout.readline() == b"ready\n"

    def stop() -> None:
        forker.communicate()
        folder.cleanup()

    atexit.register(stop)
    return address


def serve(address: str, modules: Sequence[str]) -> None:
    """Import what those who are forked shall have; then fork for each request, until standard input ends."""
    for name in modules:
        import_module(name)
    assert threading.active_count() == 1, "a thread does not live on in a process that is forked"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([sys.stdin, listening], [], [])[0]:
            asking, _ = listening.accept()
            if os.fork() == 0:
                serve_one(asking)
            asking.close()


def serve_one(asking: socket.socket) -> None:
    """Have a process do what is asked, and say how it ended; this one waits, and ends after it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request = json.loads(asking.makefile().readline())
    if (child := os.fork()) == 0:
        asking.close()
        become(**request)
    _, status = os.waitpid(child, 0)
    asking.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(argv: list[str], env: dict[str, str], said: list[str]) -> NoReturn:
    """Be the command to the end, as if Python had been started for it."""
    os.environ.clear()
    os.environ.update(env)
    writing = os.O_WRONLY | os.O_CREAT
    for number, file in enumerate([os.open(os.devnull, os.O_RDONLY), *(os.open(path, writing) for path in said)]):
        os.dup2(file, number)
    sys.argv = argv
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
