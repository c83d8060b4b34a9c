"""A real ./run serve in the background: what it answers, what it logs, how it ends."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from serving.run_directory import PARENTS, PREFIX
from testkit.processes import free_port

PATH = os.environ["PATH"]


def environment(tree: Path, **environ: str) -> dict[str, str]:
    """Return an environment with these values and, of ours, only what pip may need to reach its index."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    home = tree.parent / "home"
    home.mkdir(exist_ok=True)
    return {"PATH": PATH, "HOME": str(home), **ours, **environ}


def run(tree: Path, *arguments: str, timeout: float = 60, **environ: str) -> subprocess.CompletedProcess[str]:
    """Return how ./run ended with these arguments."""
    return subprocess.run(
        ["./run", *arguments],
        cwd=tree,
        env=environment(tree, **environ),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


class Answer:
    """What came back: status, headers, body as text."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode()

    def json(self) -> Any:
        return json.loads(self.text)


class Serving:
    """One ./run serve, in a process group of its own, so that Ctrl-C can reach all of it."""

    def __init__(self, tree: Path, *arguments: str, command: str = "serve", **environ: str) -> None:
        self.port = int(environ.setdefault("PORT", str(free_port())))
        self.log = tree.parent / f"log-{self.port}.txt"
        self.started = time.monotonic()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["./run", command, *arguments],
                cwd=tree,
                env=environment(tree, **environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait(self, seconds: float = 60) -> float:
        """Return after how many seconds /livez first answered."""
        while time.monotonic() < self.started + seconds and self.process.poll() is None:
            try:
                self.get("/livez")
            except OSError:
                time.sleep(0.02)
            else:
                return time.monotonic() - self.started
        raise AssertionError(f"no answer after {seconds} s:\n{self.log.read_text()}")

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, form: str, **headers: str) -> Answer:
        """Return the answer to a form, as it is sent: a=b&c=d."""
        return self._ask("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded", **headers})

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Connection": "close", **named})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the log's JSON lines, those of that event if one is named."""
        # The last one may be half written.
        whole, _, _ = self.log.read_text().rpartition("\n")
        lines = [line for line in whole.split("\n") if line.startswith("{")]
        return [event for event in map(json.loads, lines) if name is None or event["event"] == name]

    def wait_for_events(self, start: str, count: int, seconds: float = 60) -> None:
        """Return once so many log lines begin like that."""
        end = time.monotonic() + seconds
        while (seen := sum(event["event"].startswith(start) for event in self.events())) < count:
            assert time.monotonic() < end, f"{seen} of {count} '{start}' after {seconds} s:\n{self.log.read_text()}"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM, *, whole_group: bool = False) -> int:
        """Return the exit code after that signal; what does not end within 15 s is killed."""
        if self.process.poll() is None:
            (os.killpg if whole_group else os.kill)(self.process.pid, how)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End all of it at once: an orderly end takes seconds, and most tests ask nothing of it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for left in [left for parent in PARENTS for left in Path(parent).glob(f"{PREFIX}{self.port}-*")]:
            shutil.rmtree(left, ignore_errors=True)
