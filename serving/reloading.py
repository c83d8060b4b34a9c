"""SIGHUP, tried out before it is obeyed."""

import subprocess
import sys
from collections.abc import Callable
from logging import Logger


class ReloadIfSound:
    """SIGHUP for the arbiter: reloads what can be started, and otherwise says why and leaves the old workers alone.

    By itself Gunicorn stops altogether: with a setting that cannot be used the arbiter ends and then its workers, and
    when the new workers cannot import the application, all are stopped. Its author's advice is to try it out with
    --check-config before (benoitc/gunicorn#2443), so that is what happens here, in a process that imports all anew.
    """

    def __init__(self, reload: Callable[[], None], log: Logger) -> None:
        self._reload, self._log = reload, log

    def __call__(self) -> None:
        """Reload, or log what is wrong; takes about a second of CPU, in which the workers go on."""
        if reason := _reason_against():
            self._log.error("Not reloaded, the old workers go on. %s", reason)
        else:
            self._reload()


def _reason_against() -> str:
    command = [sys.executable, "-m", "gunicorn", *sys.argv[1:], "--check-config"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 -- our own command line
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"The new version could not be tried out: {error}"
    return (tried.stderr or f"It ended with {tried.returncode}").strip() if tried.returncode else ""
