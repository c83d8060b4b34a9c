"""What looks after the project from outside: Dependabot, the weekly workflow, the hook, the development container."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from config import ROOT

UPDATED = {
    "uv": "requirements*.txt",
    "github-actions": ".github/workflows/*.yml",
    "docker": "Dockerfile*",
    "docker-compose": "*compose*.yaml",
}
"""Whose files Dependabot knows how to update."""
NOT_OURS = {".venv", ".git", "instance", "node_modules"}


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def folders(pattern: str) -> set[str]:
    """Return the folders that have such a file, as Dependabot names them; of workflows it is the root's."""
    found = [path.relative_to(ROOT) for path in ROOT.rglob(pattern)]
    ours = {path.parent for path in found if NOT_OURS.isdisjoint(path.parts)}
    return {"/" if path in {Path(), Path(".github/workflows")} else f"/{path}" for path in ours}


def test_dependabot_looks_at_every_lock_action_and_image_once_a_week_in_one_go() -> None:
    updates = read(".github/dependabot.yml")["updates"]

    there = {(kind, folder) for kind, pattern in UPDATED.items() for folder in folders(pattern)}
    assert {(each["package-ecosystem"], folder) for each in updates for folder in each["directories"]} == there
    for each in updates:
        assert each["schedule"] == {"interval": "weekly"}
        assert [group["patterns"] for group in each["groups"].values()] == [["*"]]


def test_every_input_is_locked_by_the_command_that_locks() -> None:
    [names] = re.findall(r"for name in (requirements [^;]*);", (ROOT / "run").read_text())

    assert {f"{name}.in" for name in names.replace("\\", "").split()} >= {path.name for path in ROOT.glob("*.in")}
    assert {path.stem for path in ROOT.glob("requirements*.in")} == {
        path.stem for path in ROOT.glob("requirements*.txt")
    }


def test_hook_and_container_call_run_and_nothing_else() -> None:
    hooks = [hook for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())

    assert [hook["entry"] for hook in hooks] == ["./run check"]
    assert {name: said for name, said in container.items() if name.endswith("Command")} == {
        "postCreateCommand": "./run check",
        "postAttachCommand": "./run serve",
    }


def test_the_container_has_the_python_of_the_image() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())

    assert (
        re.findall(r"^FROM python:([\d.]+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        == [container["image"].rpartition(":")[2]] * 2
    )


def test_only_the_release_may_publish_and_no_workflow_may_all_by_default() -> None:
    """Who may write, and what: a new right is seen here."""
    rights = {}
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        workflow = yaml.safe_load(path.read_text())
        assert set(workflow["permissions"].values() if workflow["permissions"] else ()) <= {"read"}, path.name
        for name, job in workflow["jobs"].items():
            if written := {right for right, kind in job.get("permissions", {}).items() if kind == "write"}:
                rights[f"{path.stem}.{name}"] = written

    assert rights == {
        "weekly.tell": {"issues"},
        "release.image": {"packages", "id-token", "attestations"},
        "release.release": {"contents", "id-token", "attestations"},
    }
