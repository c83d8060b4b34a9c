"""Services of a Compose file, from a copy of the project: what they print, how they are locked up, what they answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config import ROOT
from testkit.leaving_out import leave_out
from testkit.processes import free_port
from testkit.servers import MissingError
from tests.support.copies import LEFT_BEHIND

TOKEN = "a-token-for-the-tests-alone"


class Stack:
    """One copy of the project and the containers made from it."""

    def __init__(self, tree: Path, file: str) -> None:
        self.tree, self.file, self.port = tree, file, free_port()
        self.project = f"test{uuid.uuid4().hex[:8]}"

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Return what docker compose printed."""
        ended = subprocess.run(
            ["docker", "compose", "-p", self.project, "-f", self.file, *arguments],
            cwd=self.tree,
            env={**os.environ, "PORT": str(self.port), "API_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=900,
        )
        if check and ended.returncode:
            logs = "" if "logs" in arguments else self.compose("logs", "--tail=40", check=False)
            raise AssertionError(f"docker compose {' '.join(arguments)}:\n{ended.stdout}{ended.stderr}{logs}")
        return ended.stdout

    def inspect(self, service: str) -> list[dict[str, Any]]:
        """Return what Docker knows of each container of a service."""
        containers = self.compose("ps", "--all", "--quiet", service).split()
        shown = subprocess.run(["docker", "inspect", *containers], capture_output=True, check=True)
        seen: list[dict[str, Any]] = json.loads(shown.stdout)
        return seen

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and body of the answer."""
        return self._answer(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"))

    def add_city(self, name: str, token: str, key: str) -> tuple[int, str]:
        """Add a city over HTTP; return status and body of the answer."""
        body = json.dumps({"name": name, "country_id": 1}).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self._answer(urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/cities", body, headers))

    @staticmethod
    def _answer(request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@contextmanager
def stack_of(file: str, folder: Path) -> Iterator[Stack]:
    """Yield the services of a file, up, from a copy without environment, database and settings."""
    require_engine()
    tree = folder / "clone"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    made = Stack(tree, file)
    try:
        made.compose("up", "--wait", "--build")
        yield made
    finally:
        made.compose("down", "--volumes", "--rmi", "local", "--timeout", "5", check=False)


def assert_can_do_little(container: dict[str, Any]) -> None:
    """Hold that it may write nothing, gain nothing and take no more than its share."""
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["Privileged"] is False


def engine_missing() -> str:
    try:
        ended = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=20)
        ended = ended if ended.returncode else subprocess.run(["docker", "info"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ended.stderr.decode().strip() if ended.returncode else ""


def require_engine() -> None:
    """Leave the test out, or fail it where all is required, without Docker."""
    if reason := engine_missing():
        leave_out("a Docker Engine with Compose v2", MissingError(reason))
