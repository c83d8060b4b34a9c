"""What the tests of the benchmark need: its packages, wrk, and a database that nobody else uses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from testkit.leaving_out import leave_out
from testkit.servers import MissingError

if TYPE_CHECKING:
    from benchmarks.bench.ground import Ground

PACKAGES = ("dbutils", "mysql.connector", "fastapi", "uvicorn", "asyncmy", "psutil", "rich")


@pytest.fixture(scope="session")
def bench_packages() -> None:
    """Leave a test out where a peer, or what measures, is not installed."""
    missing = [name for name in PACKAGES if not find_spec(name.partition(".")[0])]
    if missing:
        leave_out("benchmarks", MissingError(f"{', '.join(missing)} must be installed: ./run bench --help does so"))


@pytest.fixture(scope="session")
def wrk_program() -> None:
    if not shutil.which("wrk"):
        leave_out("benchmarks", MissingError("wrk must be installed: apt install wrk"))


@pytest.fixture(scope="session")
def place(bench_packages: None) -> Iterator[Ground]:
    """The server of the benchmark."""
    from benchmarks.bench.ground import ground

    try:
        with ground(tls=False) as made:
            yield made
    except MissingError as error:
        leave_out("mariadb", error)
