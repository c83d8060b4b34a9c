"""Programs of Debian's that the files in deploy/ are tried out with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config import ROOT
from testkit import processes
from testkit.leaving_out import leave_out
from testkit.servers import MissingError

DEPLOY = ROOT / "deploy"
PACKAGES = {
    "nginx": "nginx-light",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "systemd-analyze": "systemd",
}


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Return where this program is, or leave the test out."""

    def find(name: str) -> str:
        return processes.program(name) or leave_out(name, MissingError(f"install it: apt install {PACKAGES[name]}"))

    return find


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A copy of deploy/prometheus with the tests of its rules beside them."""
    for file in (*DEPLOY.glob("prometheus/*.yml"), Path(__file__).with_name("alerts.yml")):
        name = "tests.yml" if file.parent.name == "deploy" else file.name
        (tmp_path / name).write_text(file.read_text())
    return tmp_path
