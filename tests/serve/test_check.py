"""./run check looks at the workflows. Its other checks are stand-ins here, which find nothing and take no time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config import ROOT
from tests.serve.serving import run


@pytest.fixture
def workflows(bare_tree: Path) -> Path:
    """The workflows of a clone whose Python and uv are content with everything."""
    programs = bare_tree / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "uv"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    (programs / "zizmor").symlink_to(ROOT / ".venv" / "bin" / "zizmor")
    for lock in bare_tree.glob("requirements*.txt"):
        shutil.copy(lock, bare_tree / ".venv" / f".installed-{lock.name}")
    for part in (".ci", ".github"):
        shutil.copytree(ROOT / part, bare_tree / part)
    shutil.copy(ROOT / ".pre-commit-config.yaml", bare_tree)
    return bare_tree / ".github" / "workflows"


def test_our_workflows_pass(workflows: Path) -> None:
    checked = run(workflows.parents[1], "check")

    assert (checked.returncode, checked.stderr) == (0, "")
    assert "No findings to report" in checked.stdout


@pytest.mark.parametrize(
    ("workflow", "safe", "dangerous", "finding"),
    [
        ("ci", "checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd", "checkout@v6", "unpinned-uses"),
        ("release", "jobs:", "jobs: [", "failed to load file://.github/workflows/release.yml"),
    ],
)
def test_a_dangerous_workflow_fails_the_check(
    workflows: Path, workflow: str, safe: str, dangerous: str, finding: str
) -> None:
    path = workflows / f"{workflow}.yml"
    text = path.read_text()
    assert safe in text
    path.write_text(text.replace(safe, dangerous))

    checked = run(workflows.parents[1], "check")

    assert checked.returncode == 1
    assert finding in checked.stdout + checked.stderr
