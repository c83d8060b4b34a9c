"""seed and load on a terminal and piped; on SQLite, as the rest is the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.schema import SCHEMA_HEAD
from testkit.databases import alembic, flask
from testkit.terminal import Shown
from tests.support.terminals import COLOUR, GREEN, terminal


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a database; `seeded` migrates and fills it."""
    return f"sqlite:///{tmp_path_factory.mktemp('terminal')}/x.sqlite3"


@pytest.fixture(scope="module")
def seeded(url: str) -> tuple[Shown, Shown]:
    """Return what somebody sees who migrates and seeds."""
    return terminal(url, "alembic", "upgrade", "head"), terminal(url, "flask", "seed")


def test_migrate_and_seed_say_in_colour_what_they_do(url: str, seeded: tuple[Shown, Shown]) -> None:
    migrating, seeding = seeded

    assert (migrating.returncode, seeding.returncode) == (0, 0), migrating.text + seeding.text
    assert re.search(r"^\x1b\[32m  0001 Create country and city .*: done \(\d+\.\d s\)", migrating.text, re.MULTILINE)
    assert f"{GREEN}{url} went from base to {SCHEMA_HEAD}." in migrating.text
    assert "Seeding 109 countries and 600 cities …" in COLOUR.sub("", seeding.text)
    assert f"{GREEN}Seeded 109 countries and 600 cities." in seeding.text


def test_piped_they_are_plain(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/piped.sqlite3"
    migrated = alembic(url, "upgrade", "head")
    seeded = flask(url, "seed")

    assert re.search(r"^  0001 Create country and city .*: done", migrated.stdout, re.MULTILINE)
    assert seeded.stdout == "Seeded 109 countries and 600 cities.\n"
    assert "\x1b" not in migrated.stdout + migrated.stderr + seeded.stderr
    assert seeded.stderr == ""


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("source", ["file", "synthetic"])
def test_load_shows_how_far_it_is_on_a_terminal_and_not_when_piped(url: str, tmp_path: Path, source: str) -> None:
    file = tmp_path / "cities.csv"
    file.write_text("city,country\n" + "".join(f"Town {number},Utopia\n" for number in range(6000)))
    arguments = ["load", str(file)] if source == "file" else ["load", "--synthetic", "13000"]

    shown = terminal(url, "flask", *arguments)
    piped = flask(url, *arguments)

    assert (shown.returncode, piped.returncode) == (0, 0), shown.text + piped.stderr
    assert re.search(r"(Loading|Inventing) +\[[#-]*\] +\d+%", shown.text)
    assert "100%" in shown.text
    assert f"{GREEN}Loaded " in shown.text
    assert piped.stderr == ""
    assert "\x1b" not in piped.stdout
