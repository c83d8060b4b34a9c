"""The image that sends to an OpenTelemetry collector, which is built with an argument."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from config import ROOT
from tests.docker.stacks import require_engine
from tests.support.copies import LEFT_BEHIND

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_with_an_argument_it_has_what_sends(tmp_path: Path) -> None:
    require_engine()
    tree, name = tmp_path / "clone", f"test-image-{uuid.uuid4().hex[:8]}"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_BEHIND))

    docker("build", "--build-arg", "OTEL=1", "--tag", name, str(tree))
    try:
        said = docker("run", "--rm", name, "python", "-c", "from app.telemetry import sending; print(sending.__name__)")
        checked = docker("run", "--rm", name, "python", "-m", "pip", "--no-cache-dir", "check")
    finally:
        docker("rmi", name)

    assert said == "app.telemetry.sending\n"
    assert "No broken requirements found." in checked
