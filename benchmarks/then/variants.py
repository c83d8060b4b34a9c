"""What is asked: the two ways of the 2010s with three kinds of TLS under uWSGI, and this application under Gunicorn."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stacks import STACKS, Stack

THREADS = 16


_BESIDE_PYTHON = Path(sys.executable).with_name("pyuwsgi")
UWSGI = str(_BESIDE_PYTHON) if _BESIDE_PYTHON.exists() else shutil.which("uwsgi") or "uwsgi"


@dataclass(frozen=True)
class Variant:
    """One line of the table."""

    title: str
    tls: str
    stack: Stack
    is_the_experiment: bool = False
    """Whether the 2010s had it too: then it is asked for as long as they did."""


def _then(connection: str, how: str, *, is_the_experiment: bool = False) -> Variant:
    title = {"per request": "a connection per request", "persistent": "a persistent connection a thread"}[connection]
    key = f"then {connection} {how}".replace(" ", "-")
    command = [UWSGI, "--ini=benchmarks/then/uwsgi.ini"]
    return Variant(title, how, Stack(key, title, command, {"CONNECTION": connection, "HOW": how}), is_the_experiment)


VARIANTS = {
    "per-request": _then("per request", "as it comes", is_the_experiment=True),
    "persistent": _then("persistent", "as it comes", is_the_experiment=True),
    "per-request-shared": _then("per request", "shared"),
    "per-request-off": _then("per request", "off"),
    "persistent-off": _then("persistent", "off"),
    "ours": Variant("this application, under Gunicorn", "shared", STACKS["ours"]),
}
