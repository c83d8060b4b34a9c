"""The image is built while other tests run: on a new machine most of that is waiting for the package index."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import pytest

from config import ROOT

building = pytest.StashKey[subprocess.Popen[str]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fill Docker's cache; where that fails, it will fail again for the test that needs the image, and be told."""
    if session.config.option.collectonly or not any(item.get_closest_marker("docker") for item in session.items):
        return
    command = ["docker", "build", "--quiet", "--build-arg", "PIP_INDEX_URL", str(ROOT)]
    with suppress(OSError):
        session.config.stash[building] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the image without a name, or stop making it."""
    if building not in config.stash:
        return
    builder = config.stash[building]
    if builder.poll() is None:
        builder.terminate()
    image = builder.communicate()[0].strip()
    if image:
        subprocess.run(["docker", "rmi", image], capture_output=True, check=False)
