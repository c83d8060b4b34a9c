"""SQLAlchemy's own tests of its pool, run on ours; `.venv/bin/python -m tests.pool.sqlalchemy_suite` tells the outcome.

They are not in this project: pip downloads the source distribution that requirements.txt locks, and checks its hash.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from testkit import ROOT
from tests.pool.packages import installed_back_end, pip
from tests.pool.sqlalchemy_differences import DIFFERENCES
from tests.support.locks import locked

FILES = ("test/engine/test_pool.py", "test/engine/test_reconnect.py")
SECONDS = 240
NEEDED = re.compile(r"[^/]+/(test/|lib/|pyproject\.toml$|setup\.cfg$)")
"""Of the distribution: the tests, what they stand on, how they are configured."""
DATABASE = re.compile(r"_sqlite\+\w+(?=::)")
"""What SQLAlchemy adds to the name of a class that is run on a database."""


@dataclass(frozen=True)
class Run:
    """How one run ended."""

    outcomes: dict[str, str]
    """Of each test: passed, failed or skipped."""
    pools: int
    """How many of our pools were made."""
    said: str

    def those(self, outcome: str) -> set[str]:
        """Return the tests that ended so."""
        return {test for test, each in self.outcomes.items() if each == outcome}


def run_suite(folder: Path, back_end: Path) -> Run:
    """Return how SQLAlchemy's tests end on our pool; raises MissingError where pip cannot have them."""
    return _run(_unpacked(folder, back_end), folder / "outcomes.json")


def _unpacked(folder: Path, back_end: Path) -> Path:
    """Return the folder of the source distribution. To download it pip asks it who it is, and that takes a back end."""
    (folder / "locked.txt").write_text(locked("sqlalchemy"))
    wanted = ("--no-deps", "--require-hashes", "--no-binary", "sqlalchemy", "-r", folder / "locked.txt")
    pip("download", "--dest", folder, "--no-build-isolation", *wanted, PYTHONPATH=str(back_end))
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder, [member for member in archive if NEEDED.match(member.name)], filter="data")
    return folder / source.name.removesuffix(".tar.gz")


def _run(folder: Path, answer: Path) -> Run:
    # With SQLAlchemy's settings and no plugins but these; -s: on the SQLAlchemy that is installed. Most of its time
    # these tests sleep, so a few of them do so at once.
    plugins = ("-p", "tests.pool.sqlalchemy_stand_in", "-p", "no:cacheprovider", "-p", "xdist", "-n", "4")
    ours = (*plugins, "--rootdir", folder, "--dburi", "sqlite://")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    environ |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "STEADYPOOL_OUTCOMES": str(answer)}
    run = subprocess.run(
        [sys.executable, "-s", "-m", "pytest", "-c", "pyproject.toml", "-q", "--tb=short", *ours, *FILES],
        cwd=folder,
        env=environ | {"HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if run.returncode not in (0, 1):  # all passed, or some failed: else it did not come so far
        raise RuntimeError(run.stdout + run.stderr)
    told = json.loads(answer.read_text())
    outcomes = {
        DATABASE.sub("", name).removeprefix("test/engine/"): outcome for name, outcome in told["outcomes"].items()
    }
    return Run(outcomes, told["pools"], run.stdout)


def main() -> int:
    """Print how they end; return 1 where that is not what the list of differences says."""
    with tempfile.TemporaryDirectory(prefix="sqlalchemy-") as folder:
        run = run_suite(Path(folder), installed_back_end(Path(folder, "back-end")))
    count = Counter(run.outcomes.values())
    print(f"{count['passed']} pass, {count['failed']} fail, {count['skipped']} are left out (they need another server)")
    failed = run.those("failed")
    for test in sorted(failed | DIFFERENCES.keys()):
        if test not in DIFFERENCES:
            print(f"fails: {test}")
        elif test in failed:
            print(f"differs on purpose: {test}\n  {DIFFERENCES[test]}")
        else:
            print(f"is listed, but does not fail: {test}")
    if failed - DIFFERENCES.keys():
        print(run.said)
    return int(failed != DIFFERENCES.keys())


if __name__ == "__main__":
    sys.exit(main())
