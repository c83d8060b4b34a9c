"""Whole copies of the project to change and run: the application, its tests, its documents."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config import ROOT
from testkit.leaving_out import leave_out
from testkit.servers import MissingError
from tests.serve.conftest import borrow_environment
from tests.support.copies import LEFT_BEHIND


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the whole project whose packages are installed."""
    tree = tmp_path / "clone"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    borrow_environment(tree)
    return tree


@pytest.fixture(scope="session")
def known_types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy has found out here, and about one copy for the next: a file that is the same is not read again."""
    folder = tmp_path_factory.mktemp("mypy")
    if (here := ROOT / ".mypy_cache").exists():
        shutil.copytree(here, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def walkable(clone: Path, known_types: Path) -> Path:
    """Such a copy where the commands of the documents can be run."""
    if not shutil.which("curl"):
        leave_out("curl", MissingError("curl must be installed: apt install curl"))
    (clone / ".mypy_cache").symlink_to(known_types)
    return clone
