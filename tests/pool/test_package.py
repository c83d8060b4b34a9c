"""The pool as a package: built from its folder, installed where nothing else of ours is, and used."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testkit import ROOT
from tests.pool.packages import pip
from tests.support.locks import locked

SMALLEST = re.compile(r"## The smallest program\n.*?```python\n(.*?)```", re.DOTALL)
NEEDED = ("sqlalchemy", "typing-extensions", "pymysql")
"""SQLAlchemy with what it wants, and one driver."""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, back_end: Path) -> Path:
    """The wheel, built by the back end that is locked, from a copy: building leaves things behind."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "steadypool", folder / "steadypool", ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    pip("wheel", *options, folder / "steadypool", PYTHONPATH=str(back_end))
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment in which there is the wheel, SQLAlchemy and a driver, and nothing else."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "locked.txt").write_text(locked(*NEEDED))
    run(sys.executable, "-m", "venv", "--without-pip", "env", cwd=folder)
    there = ("--python", folder / "env/bin/python")
    pip(*there, "install", "--no-compile", "--no-deps", "--require-hashes", "-r", folder / "locked.txt")
    pip(*there, "install", "--no-compile", "--no-deps", wheel)
    pip(*there, "check")
    return folder


def test_all_of_the_folder_is_in_the_wheel(elsewhere: Path) -> None:
    (installed,) = elsewhere.glob("env/lib/python*/site-packages/steadypool")
    ours = {path.relative_to(ROOT / "steadypool") for path in (ROOT / "steadypool").rglob("*.py")}

    assert ours | {Path("py.typed")} <= {path.relative_to(installed) for path in installed.rglob("*")}


def test_the_smallest_program_runs(elsewhere: Path) -> None:
    (program,) = SMALLEST.findall((ROOT / "steadypool/README.md").read_text())
    (elsewhere / "smallest.py").write_text(program)
    assert len(program.splitlines()) <= 6

    assert run("env/bin/python", "smallest.py", cwd=elsewhere) == "1 0 of 8 in use, 1 idle, 0 pending\n"


def test_an_engine_for_the_driver_can_be_made(elsewhere: Path) -> None:
    program = "import steadypool; print(steadypool.create_pool_engine('mysql+pymysql://u@h/d').pool.status())"

    assert run("env/bin/python", "-c", program, cwd=elsewhere) == "0 of 8 in use, 0 idle, 0 pending\n"
