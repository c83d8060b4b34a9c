"""A terminal for a program to talk to, and what it shows there."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from typing import NamedTuple

from testkit import ROOT


class Shown(NamedTuple):
    """How a program ended, and all that it wrote, colours and all."""

    returncode: int
    text: str


def on_terminal(*command: str, env: dict[str, str], cwd: str | os.PathLike[str] = ROOT) -> Shown:
    """Run a program whose outputs are both a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    written: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(ours, written))
    reader.start()
    try:
        ended = subprocess.run(
            command,
            cwd=cwd,
            env={"TERM": "xterm-256color", "COLUMNS": "100", "LANG": "C.UTF-8", **env},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            timeout=60,
            check=False,
        )
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    return Shown(ended.returncode, b"".join(written).decode())


def _read_all(terminal: int, written: list[bytes]) -> None:
    try:
        while data := os.read(terminal, 65536):
            written.append(data)
    except OSError:  # how Linux tells the end of a terminal
        pass
