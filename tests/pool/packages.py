"""Packages by pip: only what is locked, and only if its hash is right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from testkit import ROOT
from testkit.servers import MissingError


def pip(*command: str | Path, **environ: str) -> None:
    """Have pip do something; raises MissingError where it cannot have what it needs."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--retries", "1", *command],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if "DO NOT MATCH THE HASHES" in asked.stderr:
        raise ValueError(asked.stderr)
    if asked.returncode != 0:
        raise MissingError(f"pip failed; has it an index, with sources? {asked.stderr.strip()[-500:]}")


def installed_back_end(folder: Path) -> Path:
    """Return a folder for PYTHONPATH with the back end that builds packages: an isolated build fetches the newest."""
    pip("install", "--target", folder, "--no-deps", "--require-hashes", "-r", ROOT / "requirements-build.txt")
    return folder
