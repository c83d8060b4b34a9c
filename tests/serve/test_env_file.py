"""One reader of .env: whatever lies in folders above, and however a line is written, every command sees the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serve.serving import Serving, environment, run
from tests.support.asking import LOOKUP

HOSTILE = {
    ".env": "ENVIRONMENT=staging\nDATABASE_URL=sqlite:///../theirs.sqlite3\nFLASK_APP=theirs\n",
    ".flaskenv": "export POOL_SIZE=banana\nFLASK_DEBUG=1\n",
}


@pytest.fixture
def hostile(tree: Path) -> Path:
    """A clone in a folder of somebody who keeps settings of other programs above it."""
    return with_files_above(tree)


def with_files_above(tree: Path) -> Path:
    for name, content in HOSTILE.items():
        (tree.parent / name).write_text(content)
    return tree


def test_files_in_a_folder_above_change_nothing(ready_tree: Path, serve: Callable[..., Serving]) -> None:
    server = serve(with_files_above(ready_tree))

    asked = run(ready_tree, "doctor", "--json", WORKERS="1")

    assert server.get(LOOKUP).status == 200
    assert (asked.returncode, json.loads(asked.stdout)["level"]) == (0, "ok"), asked.stdout
    assert not (ready_tree.parent / "theirs.sqlite3").exists()


def test_commands_read_no_flaskenv_and_no_variables_of_flask(hostile: Path) -> None:
    (hostile / ".flaskenv").write_text("DATABASE_URL=sqlite:///../theirs.sqlite3\n")
    elsewhere: dict[str, Any] = {"FLASK_ENV_FILE": str(hostile.parent / ".env"), "FLASK_SKIP_DOTENV": "0"}

    asked = run(hostile, "doctor", **elsewhere)

    assert asked.returncode == 2
    assert "./run serve makes the built-in file" in asked.stdout, asked.stderr
    assert not (hostile / "instance").exists()


def test_a_value_is_taken_as_it_is_written_by_every_command(tree: Path) -> None:
    """tests/unit/test_settings.py has every way of writing one."""
    (tree / "data").mkdir()
    line = '\ufeffexport DATABASE_URL="sqlite:///data/pa${LANG}x$PATH.sqlite3"\r\n'
    (tree / ".env").write_text(line)

    done = [run(tree, command, LANG="C") for command in ("migrate", "seed", "doctor")]

    assert [each.returncode for each in done[:2]] == [0, 0], done
    assert "older" not in done[2].stdout
    assert [file.name for file in (tree / "data").glob("*.sqlite3")] == ["pa${LANG}x$PATH.sqlite3"]
    assert not (tree / "instance").exists()


class TestFlaskByItself:
    """`flask` reads such files before any code of ours runs: what it took from them is refused, by name."""

    def flask(self, tree: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [".venv/bin/python", "-m", "flask", "--app", "wsgi", *arguments]
        env = environment(tree, **environ)
        return subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True)

    def test_a_setting_of_a_folder_above_is_refused(self, hostile: Path) -> None:
        asked = self.flask(hostile, "doctor")

        assert asked.returncode == 2
        assert "DATABASE_URL" in asked.stderr
        assert str(hostile.parent / ".env") in asked.stderr
        assert str(hostile.parent / ".flaskenv") in asked.stderr
        assert "FLASK_SKIP_DOTENV=1" in asked.stderr

    def test_it_is_not_read_where_flask_is_told_so(self, hostile: Path) -> None:
        assert "./run serve makes the built-in file" in self.flask(hostile, "doctor", FLASK_SKIP_DOTENV="1").stdout

    def test_our_own_file_is_fine_as_long_as_flask_reads_it_as_we_do(self, tree: Path) -> None:
        (tree / ".env").write_text("DATABASE_URL=sqlite:///x${LANG}.sqlite3\nPORT=81\n")
        changed = self.flask(tree, "doctor", LANG="C")
        (tree / ".env").write_text("DATABASE_URL=sqlite:///x.sqlite3\nPORT=81\n")
        same = self.flask(tree, "doctor")

        assert "1 setting cannot be used:\n  DATABASE_URL" in changed.stderr
        assert "Traceback" not in changed.stderr + same.stderr
        assert same.stdout.startswith("ok ")
