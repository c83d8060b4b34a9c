"""One run of two trees: what is compared, what is said of it, and that nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testkit import ROOT


def of_a_run(*speeds: tuple[float, float]) -> dict[str, Any]:
    """Return the results of rounds in which the floor gave so many answers a second, here and there."""
    rounds = [
        {"stack": stack, "condition": "plain", "clients": 16, "lap": lap, "per_second": speed, "problem": ""}
        for lap, both in enumerate(speeds, 1)
        for stack, speed in zip(("floor", "floor-then"), both, strict=True)
    ]
    return {"titles": {"floor": "floor", "floor-then": "floor at abc"}, "rounds": rounds, "absent": [], "wire": {}}


def test_rounds_are_compared_with_their_neighbours() -> None:
    from benchmarks.bench.summary import Summary

    drifting = of_a_run((100, 200), (50, 100), (20, 40))

    assert Summary(drifting).ratios("floor", "floor-then") == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "–"),
        ([1.0, 3.0, 2.0], "2.00"),
        ([1.1, 9.0, 1.0, 0.9, 0.1, 1.2], "1.05 (0.90–1.20)"),
    ],
)
def test_a_ratio_has_its_interval_once_there_are_rounds_enough(values: list[float], said: str) -> None:
    from benchmarks.bench.against import with_interval

    assert with_interval(values) == said


def test_the_other_tree_is_there_and_gone_afterwards(tmp_path: Path) -> None:
    from benchmarks.bench.against import checked_out

    before = _worktrees()
    with checked_out("HEAD", tmp_path) as place:
        assert (place / "wsgi.py").is_file()
        assert _worktrees() != before

    assert not place.exists()
    assert _worktrees() == before


def _worktrees() -> str:
    return subprocess.run(["git", "worktree", "list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_commit_that_there_is_not_is_named(tmp_path: Path) -> None:
    from benchmarks.bench.against import checked_out

    with pytest.raises(SystemExit, match="no files of 'nowhere'"), checked_out("nowhere", tmp_path):
        pytest.fail("it went on")


def test_what_a_commit_needs_and_nobody_has_is_named_and_nothing_is_left(tmp_path: Path, monkeypatch: Any) -> None:
    from benchmarks.bench import against

    before = _worktrees()
    monkeypatch.setattr(against, "_is_installed", lambda package: package != "flask")

    lacking = pytest.raises(SystemExit, match=r"pip install --no-deps flask==[\d.]+$")
    with lacking, against.checked_out("HEAD", tmp_path):
        pytest.fail("it went on")

    assert _worktrees() == before


# "place": where there is no MariaDB nothing can be measured.
@pytest.mark.usefixtures("bench_packages", "wrk_program", "place")
def test_two_trees_are_measured_in_one_run() -> None:
    command = [sys.executable, "-m", "benchmarks.bench", "--quick", "--against", "HEAD", "--only", "floor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)

    assert done.returncode == 0, done.stderr
    assert "| floor" in done.stdout or "(the floor) | 16 |" in done.stdout
