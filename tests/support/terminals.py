"""A command on a terminal, and the colours that it speaks in."""

from __future__ import annotations

import re
import sys

from testkit.databases import environment
from testkit.terminal import Shown, on_terminal

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
GREEN, YELLOW, RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"


def terminal(url: str, module: str, *arguments: str, **more: str) -> Shown:
    """Return what somebody sees who types this command."""
    command = ["flask", "--app", "wsgi"] if module == "flask" else [module]
    return on_terminal(sys.executable, "-m", *command, *arguments, env=environment(url, **more))
