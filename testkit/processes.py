"""Programs of this machine that the tests start as servers: with an account, a folder and a leash of their own."""

from __future__ import annotations

import atexit
import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any


class FailedError(Exception):
    """A program did not do what it was started for; the text is the end of its log."""


class Program:
    """A server that can be started again on its data, and treated badly."""

    def __init__(self, command: Sequence[str], folder: Path, user: str | None, goodbye: int = signal.SIGTERM) -> None:
        self.command, self.folder, self._user, self._goodbye = command, folder, user, goodbye
        # The kernel ends a program with the *thread* that started it, and tests restart servers from threads.
        self._starter = ThreadPoolExecutor(1, "starter")
        self._process: subprocess.Popen[bytes] | None = None
        self._is_frozen = False

    def start(self) -> None:
        """Start it; it does not answer yet."""
        self._process = self._starter.submit(start, self.command, self.folder, self._user).result()
        self._is_frozen = False

    def is_running(self) -> bool:
        """Tell whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def freeze(self) -> None:
        """Stop it where it is, those it has started as well: nothing is closed, nothing is answered."""
        self._signal(signal.SIGSTOP)
        if self._process and self.is_running() and not self._is_frozen:
            # A signal is sent before it is obeyed; the kernel tells the parent when the last thread has halted.
            while os.waitpid(self._process.pid, os.WUNTRACED | os.WNOHANG) == (0, 0):
                time.sleep(0.001)
            self._is_frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)
        self._is_frozen = False

    def shut_down(self) -> None:
        """End it as an operator would; its data stays."""
        if self._process and self.is_running():
            self._process.send_signal(self._goodbye)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait()

    def remove(self) -> None:
        """End it, and all it has written."""
        self.thaw()
        self.shut_down()
        self._starter.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Return the end of what it has said."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def _signal(self, number: int) -> None:
        """Signal it and then its children: a parent that is stopped makes no more of them."""
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _pids(self) -> list[int]:
        if not self._process or not self.is_running():
            return []
        parent = self._process.pid
        table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        children = [int(pid) for pid, its in map(str.split, table.splitlines()) if int(its) == parent]
        return [parent, *children]


def new_folder(name: str) -> Path:
    """Return a temporary folder, which is for the caller to remove."""
    return Path(tempfile.mkdtemp(prefix=f"sakila-{name}-"))


def unprivileged(account: str) -> str | None:
    """Both servers refuse to run as root: then they get an account of their own."""
    return account if getpass.getuser() == "root" or os.geteuid() == 0 else None


def run_to_end(command: Sequence[str], folder: Path, user: str | None) -> None:
    """Run a program to its end in this folder, which is removed if it fails."""
    if user:
        shutil.chown(folder, user)
    with (folder / "log").open("ab") as log:
        done = subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False, **_kept_apart(folder, user))
    if done.returncode:
        text = (folder / "log").read_text(errors="replace")[-2000:]
        shutil.rmtree(folder, ignore_errors=True)
        raise FailedError(f"{command[0]} failed:\n{text}")


def start(command: Sequence[str], folder: Path, user: str | None) -> subprocess.Popen[bytes]:
    """Start a program in this folder, where it logs, as this user; it does not outlive the thread that calls this."""
    # Ended by the kernel with us, however we end. A session of its own keeps Ctrl-C from it: we stop it in order.
    leash = ["setpriv", "--pdeathsig", "TERM"] if sys.platform == "linux" and shutil.which("setpriv") else []
    with (folder / "log").open("ab") as log:
        started: subprocess.Popen[bytes] = subprocess.Popen(
            [*leash, *command], cwd=folder, stdout=log, stderr=log, start_new_session=True, **_kept_apart(folder, user)
        )
    return started


def _kept_apart(folder: Path, user: str | None) -> dict[str, Any]:
    # MariaDB clears its temporary folder of such files as another one may be using at the moment.
    apart: dict[str, Any] = {"env": {**os.environ, "TMPDIR": str(folder)}}
    return apart | ({"user": user, "group": _group_of(user), "extra_groups": []} if user else {})


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def program(name: str) -> str | None:
    """Return where this program is installed, the newest version first."""
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), Path("/opt/homebrew/bin"), Path("/usr/local/bin")]
    newest_first = sorted(places, key=str, reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", *map(str, newest_first)])
    found = shutil.which(name, path=path)
    return str(Path(found).resolve()) if found else None


def free_port() -> int:
    """Return a port that stays free until it is used.

    No client is given one of these for its own end of a connection, and no other process gives out the same ones.
    """
    while True:
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", next(_own_ports())))
            return int(probe.getsockname()[1])


PORTS, EACH = range(20_000, 32_000), 100


@cache
def _own_ports() -> Iterator[int]:
    """Return a hundred ports again and again, which are this process's as long as it holds the first one's for UDP."""
    firsts = list(PORTS[::EACH])
    random.shuffle(firsts)
    for first in firsts:
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", first))
        except OSError:
            claim.close()
        else:
            atexit.register(claim.close)  # not before
            return cycle(range(first, first + EACH))
    raise FailedError("each port of these is another process's")
