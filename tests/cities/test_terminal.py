"""seed and load on a terminal and piped; on SQLite, as the rest is the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.schema import SCHEMA_HEAD
from testkit.databases import alembic, flask, migrate_and_seed
from tests.support.terminals import COLOUR, GREEN, terminal


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/terminal.sqlite3"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('terminal')}/seeded.sqlite3"
    migrate_and_seed(url)
    return url


def test_migrate_and_seed_say_in_colour_what_they_do(url: str) -> None:
    migrated = terminal(url, "alembic", "upgrade", "head")
    seeded = terminal(url, "flask", "seed")

    assert (migrated.returncode, seeded.returncode) == (0, 0), migrated.text + seeded.text
    assert re.search(r"^\x1b\[32m  0001 Create country and city .*: done \(\d+\.\d s\)", migrated.text, re.MULTILINE)
    assert f"{GREEN}{url} went from base to {SCHEMA_HEAD}." in migrated.text
    assert "Seeding 109 countries and 600 cities …" in COLOUR.sub("", seeded.text)
    assert f"{GREEN}Seeded 109 countries and 600 cities." in seeded.text


def test_piped_they_are_plain(url: str) -> None:
    migrated = alembic(url, "upgrade", "head")
    seeded = flask(url, "seed")

    assert re.search(r"^  0001 Create country and city .*: done", migrated.stdout, re.MULTILINE)
    assert seeded.stdout == "Seeded 109 countries and 600 cities.\n"
    assert "\x1b" not in migrated.stdout + migrated.stderr + seeded.stderr
    assert seeded.stderr == ""


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


def test_no_color_is_respected_on_a_terminal(seeded: str) -> None:
    shown = terminal(seeded, "flask", "load", "app/cities/data/city.csv", NO_COLOR="1")

    assert shown.text
    assert not COLOUR.search(shown.text)
