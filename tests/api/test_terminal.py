"""Commands on a terminal, piped, and where somebody wants no colours; on SQLite, as the rest is the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from testkit.databases import alembic
from tests.support.terminals import COLOUR, GREEN, RED, YELLOW, terminal


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('terminal')}/migrated.sqlite3"
    assert alembic(url, "upgrade", "head").returncode == 0
    return url


@pytest.mark.parametrize("command", [("alembic", "upgrade", "head"), ("flask", "doctor")])
def test_no_color_is_respected_on_a_terminal(migrated: str, command: tuple[str, ...]) -> None:
    shown = terminal(migrated, *command, NO_COLOR="1")

    assert shown.text
    assert not COLOUR.search(shown.text)


def test_doctor_colours_its_levels_and_says_a_problem_once(tmp_path: Path) -> None:
    shown = terminal(f"sqlite:///{tmp_path}/none.sqlite3", "flask", "doctor", POOL_SIZE="32", WORKERS="1")

    assert shown.returncode == 2
    assert f"{GREEN}ok         \x1b[0m  settings" in shown.text
    assert f"{YELLOW}warning    \x1b[0m  threads" in shown.text
    assert f"{RED}problem    \x1b[0m  reader        unable to open database file" in shown.text
    assert shown.text.count("unable to open database file") == 2  # the reader's and the writer's line, no log


def test_help_has_a_whole_line_for_each_command(migrated: str, make_app: Callable[..., Flask]) -> None:
    shown = make_app(DATABASE_URL=migrated).test_cli_runner().invoke(args=["--help"]).stdout
    commands = dict(re.findall(r"^  (\w+)  +(.+)$", shown.partition("Commands:")[2], re.MULTILINE))

    assert {"doctor", "seed"} <= commands.keys()
    assert [line for line in commands.values() if not line.endswith(".") or line.endswith("...")] == []
    assert max(map(len, shown.splitlines())) < 80
