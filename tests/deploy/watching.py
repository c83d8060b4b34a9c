"""A real Prometheus with the configuration of deploy/, in a temporary folder."""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testkit import processes
from testkit.processes import Program, free_port
from testkit.waiting import eventually
from tests.deploy.conftest import DEPLOY


class Prometheus:
    """Scrapes these targets each second, with this token."""

    def __init__(self, program: str, token: str, *targets: str) -> None:
        folder, self.port = processes.new_folder("prometheus"), free_port()
        (folder / "token").write_text(token)
        (folder / "alerts.yml").write_text((DEPLOY / "prometheus/alerts.yml").read_text())
        config = (DEPLOY / "prometheus/prometheus.yml").read_text()
        for ours, here in {
            "_interval: 15s": "_interval: 1s",
            "/run/ops/token": str(folder / "token"),
            '["web:8000"]': json.dumps(targets),
        }.items():
            assert ours in config
            config = config.replace(ours, here)
        (folder / "prometheus.yml").write_text(config)
        self._program = Program(self._command(program, folder), folder, None)

    def _command(self, program: str, folder: Path) -> list[str]:
        return [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]

    def __enter__(self) -> Prometheus:
        self._program.start()
        assert eventually(self._is_ready), self._program.log()
        return self

    def __exit__(self, *_: object) -> None:
        self._program.remove()

    def ask(self, path: str, **form: str) -> Any:
        """Return the data that the API answers with."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with urllib.request.urlopen(url, data, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{form}: {error.read().decode()}") from error

    def values(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and the value of each series that there is a number for, now."""
        rows = [(row["metric"], float(row["value"][1])) for row in self.ask("query", query=expression)["result"]]
        return [(labels, value) for labels, value in rows if not math.isnan(value)]

    def wait_until(self, condition: Callable[[], Any], seconds: float = 20) -> None:
        """Return once this is so; asked a few times a second."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.ask("targets?state=active")
            time.sleep(0.2)

    def _is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=2).close()
        except OSError:
            return False
        return True
