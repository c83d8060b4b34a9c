"""The arrows around the application: tests and benchmarks stand on testkit/, and know nothing of each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.unit.test_arrows import ROOT, imports, module_name

SERVED = ("app", "config", "gunicorn.conf", "migrations", "serving", "settings", "wsgi")
POOL = {"steadypool"}

# What is on the left may import what is on the right, and nothing else of ours.
MAY: dict[str, set[str]] = {
    "testkit": {"testkit", *POOL},
    "conftest": {"testkit"},
    "benchmarks": {"benchmarks", "testkit", "app", "config", "serving", "wsgi", *POOL},
    "tests": {"tests", "testkit", "tools", "app", "config", "migrations", "serving", "settings", "wsgi", *POOL},
    "tools": {"tools"},
    "steadypool": {"steadypool"},
    **{name: {*SERVED, *POOL} for name in SERVED},
}
ROOTS = {*MAY} - {"gunicorn.conf"}  # nobody can import a name with a point in it, and `gunicorn` is not ours


@cache
def files() -> dict[str, Path]:
    """Return every file of ours, whatever it is for, by the name that an import uses."""
    paths = [*ROOT.glob("*.py"), *(path for name in sorted(ROOTS) for path in (ROOT / name).rglob("*.py"))]
    return {module_name(path): path for path in paths}


def part(module: str) -> str:
    """Return which of the parts a file belongs to."""
    return next(name for name in MAY if module == name or module.startswith(f"{name}."))


def within(module: str, parts: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in parts)


@pytest.mark.parametrize("name", MAY)
def test_a_part_imports_only_what_its_arrows_allow(name: str) -> None:
    found = {module: imports(path) for module, path in files().items() if part(module) == name}
    assert name not in ("testkit", "tests", "app") or len(found) > 10

    ours = {(module, each) for module, all_of_it in found.items() for each in all_of_it if each.split(".")[0] in ROOTS}
    astray = {f"{module} -> {each}" for module, each in ours if not within(each, MAY[name])}

    assert astray == set(), f"{name} may import {sorted(MAY[name])}"


BEHIND_THE_FACE = {
    "tests.api.test_engines": "that all share one TLS context",
    "tests.unit.test_pictures": "how often a unit of work is tried",
    "tests.unit.test_reports": "snapshots of any numbers",
    "tests.unit.test_settings_options": "what a driver is told by the pool",
    "tests.unit.test_totals": "snapshots of any numbers",
}
"""Which tests of the application look behind the pool's public names, and for what."""


def test_the_pool_is_used_by_its_public_names() -> None:
    behind = re.compile(r"^\s*(from|import) steadypool\.", re.MULTILINE)
    users = {
        name: path for name, path in files().items() if not within(name, {"steadypool", "tests.pool", "tests.support"})
    }

    found = {name for name, path in users.items() if behind.search(path.read_text("utf-8"))}

    assert found == set(BEHIND_THE_FACE)


NO_POOLS = {"app", "config", "flask", "flask_sqlalchemy", "migrations", "serving", "settings", "werkzeug", "wsgi"}
WITHOUT = """
import sys


class Removed:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, Removed())
"""


def test_the_tests_of_the_pool_import_no_application() -> None:
    every = {module: imports(path) for module, path in files().items()}
    needed, more = set[str](), {module for module in every if module.startswith("tests.pool")}
    assert len(more) > 30

    while more:
        needed |= more
        more = {each for module in more for each in every[module] if each in every} - needed

    astray = {
        module: found for module in needed if (found := {each.split(".")[0] for each in every[module]} & NO_POOLS)
    }
    assert astray == {}
    assert {"tests.support.breakable", "testkit.fault_servers"} <= needed


def test_nor_does_what_pytest_imports_for_them(tmp_path: Path) -> None:
    """One of them is found as if the application and Flask had been removed: each has the same conftest.py files."""
    (tmp_path / "without.py").write_text(WITHOUT.replace("{names}", repr(NO_POOLS)))
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "-p", "without"]

    done = subprocess.run(
        [*command, "tests/pool/faults/test_deadline.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "tests/pool/faults/test_deadline.py" in done.stdout
