"""A virtual environment with the application's locked packages and, as far as they can be had, the servers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.servers.rows import SERVERS
from testkit import ROOT

PLACE = ROOT / ".venv-servers"
LOCKS = [ROOT / f"requirements{name}.txt" for name in ("", "-build", "-servers")]
STAMP = PLACE / "installed"
PYTHON = os.environ.get("PYTHON", sys.executable)
"""As for ./run. Apache's processes are another user's, who may not read a Python in somebody's home."""


def make() -> tuple[Path, dict[str, str]]:
    """Make it, if the locks have changed; return its folder of programs, and why a package is not there, by name."""
    stamp = "".join([PYTHON, *(lock.read_text("utf-8") for lock in LOCKS)])
    if not STAMP.exists() or STAMP.read_text("utf-8") != stamp:
        subprocess.run([PYTHON, "-m", "venv", "--clear", PLACE], check=True)
        subprocess.run([*_pip(), *(f"--requirement={lock}" for lock in LOCKS[:-1])], check=True)
        STAMP.write_text(stamp, "utf-8")
    # What could not be compiled is tried again: its headers may have come.
    return PLACE / "bin", {name: why for name, pinned in pins(LOCKS[-1]).items() if (why := _install(name, pinned))}


def python() -> str:
    """Return which Python it has."""
    said = subprocess.run([PLACE / "bin" / "python", "--version"], capture_output=True, text=True, check=True)
    return said.stdout.split()[1]


def versions() -> dict[str, str]:
    """Return the versions of the servers that are there."""
    return {
        name: pinned.split()[0].partition("==")[2]
        for name, pinned in pins(LOCKS[-1]).items()
        if (PLACE / f"{name}.txt").exists() and name in {server.package for server in SERVERS.values()}
    }


def pins(lock: Path) -> dict[str, str]:
    """Return what a lock file says of each package, by its name: version, marker, hashes."""
    found = re.finditer(r"^([\w.-]+)==.*(?:\n    --hash.*)*", lock.read_text("utf-8"), re.MULTILINE)
    return {each[1]: each[0] for each in found}


def _install(name: str, pinned: str) -> str:
    """Install a package by itself, so that one which cannot be compiled is missing alone; return why not."""
    file = PLACE / f"{name}.txt"
    if file.exists():
        return ""
    file.write_text(pinned, "utf-8")
    how = ("--no-build-isolation", "--use-pep517", f"--requirement={file}")
    done = subprocess.run([*_pip(), *how], capture_output=True, text=True, check=False)
    if not done.returncode:
        return ""
    file.unlink()
    said = [line.strip() for line in done.stderr.splitlines() if "rror:" in line and "subprocess" not in line]
    return (said or ["pip ended with an error"])[0]


def _pip() -> list[str]:
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
    return [str(PLACE / "bin" / "python"), "-m", "pip", "install", *options]
