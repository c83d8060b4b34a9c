"""The load: wrk asks for random cities of the 600 and checks every answer; a few are also asked for by hand."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks import sakila

SCRIPT = Path(__file__).with_name("wrk.lua")
SEED = 4
LONGEST_SECONDS_BEYOND = 20
# Peers fold names in the simple way, the application folds accents too: asked for is what both find.
IDS = {name: number for name, number in sakila.first_ids().items() if name.isascii()}
HANDFUL = {name: f'City "{name}" is #{IDS[name]}\n' for name in ("London", "Lima", "Abha", "Ziguinchor")} | {
    "LONDON": 'City "LONDON" is #312\n'
}
UNKNOWN = "Nowhere"


class WrkError(Exception):
    """wrk could not do its work; the text is what it said."""


def write_names(folder: Path) -> Path:
    """Write what wrk asks for, a path and its right answer in a line; return the file."""
    file = folder / "names.txt"
    lines = [f'/?city={quote(name)}\tCity "{name}" is #{number}\n' for name, number in IDS.items()]
    file.write_text("".join(lines))
    return file


def load(url: str, names: Path, clients: int, seconds: int) -> dict[str, Any]:
    """Return what wrk counted in so many seconds with so many clients, each of which keeps its connection."""
    # A thread a client: then each answer is known to belong to the question before it.
    many = [f"--threads={clients}", f"--connections={clients}", f"--duration={seconds}s"]
    command = ["wrk", *many, f"--script={SCRIPT}", url, "--", str(names), str(SEED)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + LONGEST_SECONDS_BEYOND, check=False
    )
    last: str = done.stdout.rstrip().rpartition("\n")[2]
    if done.returncode or not last.startswith("{"):
        raise WrkError((done.stderr + done.stdout).strip()[-500:])
    counted: dict[str, Any] = json.loads(last)
    return counted


def check_by_hand(port: int) -> str:
    """Ask for a handful of names, two of them spelt differently, and an unknown one; return what is wrong, if it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        for name, right in HANDFUL.items():
            if (got := _ask(connection, name)) != (200, right):
                return f"{name!r} was answered with {got}"
        got = _ask(connection, UNKNOWN)
        return "" if got == (404, f'City "{UNKNOWN}" not found\n') else f"an unknown city was answered with {got}"
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def ask_by_hand(port: int, number: int) -> None:
    """Ask for London so many times, one after the other, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        for _ in range(number):
            _ask(connection, "London")
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, name: str) -> tuple[int, str]:
    connection.request("GET", f"/?city={quote(name)}")
    answer = connection.getresponse()
    return answer.status, answer.read().decode()
