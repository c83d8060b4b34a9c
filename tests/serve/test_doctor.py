"""./run doctor as it is typed, on the built-in file: where it is, and where it is not there yet."""

from __future__ import annotations

import json
from pathlib import Path

from tests.serve.serving import run


def test_after_the_first_start_all_is_well(served_before: Path) -> None:
    done = run(served_before, "doctor", "--json", WORKERS="1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["level"] == "ok"


def test_before_it_says_what_to_start_and_makes_nothing(tree: Path) -> None:
    done = run(tree, "doctor")

    assert done.returncode == 2
    assert "./run serve makes the built-in file" in done.stdout
    assert not (tree / "instance").exists()
