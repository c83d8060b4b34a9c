"""Commands on a terminal, piped, and where somebody wants no colours; on SQLite, as the rest is the same everywhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from testkit.databases import alembic, environment, flask, migrate_and_seed
from testkit.terminal import Shown, on_terminal

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
GREEN, YELLOW, RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"

Terminal = Callable[..., Shown]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/terminal.sqlite3"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('terminal')}/seeded.sqlite3"
    migrate_and_seed(url)
    return url


def terminal(url: str, module: str, *arguments: str, **more: str) -> Shown:
    command = ["flask", "--app", "wsgi"] if module == "flask" else [module]
    return on_terminal(sys.executable, "-m", *command, *arguments, env=environment(url, **more))


def test_migrate_and_seed_say_in_colour_what_they_do(url: str) -> None:
    migrated = terminal(url, "alembic", "upgrade", "head")
    seeded = terminal(url, "flask", "seed")

    assert (migrated.returncode, seeded.returncode) == (0, 0), migrated.text + seeded.text
    assert re.search(r"^\x1b\[32m  0001 Create country and city .*: done \(\d+\.\d s\)", migrated.text, re.MULTILINE)
    assert f"{GREEN}{url} went from base to 0001." in migrated.text
    assert "Seeding 109 countries and 600 cities …" in COLOUR.sub("", seeded.text)
    assert f"{GREEN}Seeded 109 countries and 600 cities." in seeded.text


def test_piped_they_are_plain(url: str) -> None:
    migrated = alembic(url, "upgrade", "head")
    seeded = flask(url, "seed")

    assert re.search(r"^  0001 Create country and city .*: done", migrated.stdout, re.MULTILINE)
    assert seeded.stdout == "Seeded 109 countries and 600 cities.\n"
    assert "\x1b" not in migrated.stdout + migrated.stderr + seeded.stderr
    assert seeded.stderr == ""


@pytest.mark.parametrize(
    "command",
    [
        ("alembic", "upgrade", "head"),
        ("flask", "seed"),
        ("flask", "doctor"),
        ("flask", "load", "app/cities/data/city.csv"),
    ],
)
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


@pytest.mark.parametrize("source", ["file", "synthetic"])
def test_load_shows_how_far_it_is_on_a_terminal_and_not_when_piped(seeded: str, tmp_path: Path, source: str) -> None:
    file = tmp_path / "cities.csv"
    file.write_text("city,country\n" + "".join(f"Town {number},Utopia\n" for number in range(6000)))
    arguments = ["load", str(file)] if source == "file" else ["load", "--synthetic", "13000"]

    shown = terminal(seeded, "flask", *arguments)
    piped = flask(seeded, *arguments)

    assert (shown.returncode, piped.returncode) == (0, 0), shown.text + piped.stderr
    assert re.search(r"(Loading|Inventing) +\[[#-]*\] +\d+%", shown.text)
    assert "100%" in shown.text
    assert f"{GREEN}Loaded " in shown.text
    assert piped.stderr == ""
    assert "\x1b" not in piped.stdout


def test_help_has_a_whole_line_for_each_command(seeded: str) -> None:
    shown = flask(seeded, "--help")
    commands = dict(re.findall(r"^  (\w+)  +(.+)$", shown.stdout.partition("Commands:")[2], re.MULTILINE))

    assert {"doctor", "load", "seed"} <= commands.keys()
    assert [line for line in commands.values() if not line.endswith(".") or line.endswith("...")] == []
    assert max(map(len, shown.stdout.splitlines())) < 80
