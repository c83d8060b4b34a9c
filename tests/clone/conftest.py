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
from tools.rename import Name, current_name
from tools.rename import main as rename


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project under the template's name: itself or, if it was renamed, a copy that was named back."""
    if current_name(ROOT) == Name("cities", "Cities"):
        return ROOT
    tree = tmp_path_factory.mktemp("template") / "template"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    assert rename(["cities", "--title", "Cities"], tree) == 0
    return tree


@pytest.fixture
def clone(tmp_path: Path, template: Path) -> Path:
    """A copy of the whole project whose packages are installed."""
    tree = tmp_path / "clone"
    shutil.copytree(template, tree, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
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
