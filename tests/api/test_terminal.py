"""Commands on a terminal, piped, and where somebody wants no colours; on SQLite, as the rest is the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from testkit.databases import migrate_and_seed
from tests.support.terminals import COLOUR, GREEN, RED, YELLOW, terminal


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/terminal.sqlite3"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('terminal')}/seeded.sqlite3"
    migrate_and_seed(url)
    return url


@pytest.mark.parametrize("command", [("alembic", "upgrade", "head"), ("flask", "doctor")])
def test_no_color_is_respected_on_a_terminal(seeded: str, command: tuple[str, ...]) -> None:
    shown = terminal(seeded, *command, NO_COLOR="1")

    assert shown.text
    assert not COLOUR.search(shown.text)


def test_doctor_colours_its_levels(seeded: str) -> None:
    shown = terminal(seeded, "flask", "doctor", POOL_SIZE="32", WORKERS="1")
    levels = dict(re.findall(r"^(\x1b\[3\dm)\w[\w ]*\x1b\[0m  (\w+)", shown.text, re.MULTILINE))

    assert shown.returncode == 1
    assert f"{GREEN}ok         \x1b[0m  settings" in shown.text
    assert f"{YELLOW}warning    \x1b[0m  threads" in shown.text
    assert levels.keys() == {GREEN, YELLOW}


def test_doctor_shows_a_problem_in_red_and_says_it_once(url: str) -> None:
    shown = terminal(url, "flask", "doctor", WORKERS="1")

    assert shown.returncode == 2
    assert f"{RED}problem    \x1b[0m  reader        unable to open database file" in shown.text
    assert shown.text.count("unable to open database file") == 2  # the reader's and the writer's line, no log


def test_help_has_a_whole_line_for_each_command(seeded: str, make_app: Callable[..., Flask]) -> None:
    shown = make_app(DATABASE_URL=seeded).test_cli_runner().invoke(args=["--help"]).stdout
    commands = dict(re.findall(r"^  (\w+)  +(.+)$", shown.partition("Commands:")[2], re.MULTILINE))

    assert {"doctor", "seed"} <= commands.keys()
    assert [line for line in commands.values() if not line.endswith(".") or line.endswith("...")] == []
    assert max(map(len, shown.splitlines())) < 80
