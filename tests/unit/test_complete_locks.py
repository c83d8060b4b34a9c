"""tools/complete_locks.py: what is wanted and not pinned, shown with invented packages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from config import ROOT
from tools import complete_locks
from tools.complete_locks import Package, Pin, Want, disagreements, environments, holes, inputs_of, pins_of

LINUX = "Python 3.14.0, Linux"
RELEASES = {
    "flask 1.0": Package((Requirement("werkzeug>=3"), Requirement("colours; sys_platform == 'win32'"))),
    "werkzeug 3.0": Package(),
    "cov 7.0": Package((Requirement("measure[toml]>=1"), Requirement("nobody; extra == 'tests'"))),
    "measure 1.0": Package(
        (Requirement("Reader[Fast_Path]; extra == 'toml' and python_version < '3.13'"),), frozenset({"toml"})
    ),
    "reader 2.0": Package((Requirement("engine; extra == 'fast-path'"),), frozenset({"fast-path"})),
    "engine 1.0": Package(),
    "all-in 1.0": Package(
        (Requirement("all-in[some]; extra == 'all'"), Requirement("some-thing; extra == 'some'")),
        frozenset({"all", "some"}),
    ),
    "modern 1.0": Package(pythons=SpecifierSet(">=3.12")),
    "old 1.0": Package(
        (Requirement("before; python_full_version < '3.11.3'"), Requirement("after; python_full_version >= '3.11.3'"))
    ),
}


def pin(line: str, lock: str = "requirements.txt") -> Pin:
    requirement = Requirement(line)
    return Pin(lock, requirement.name, next(iter(requirement.specifier)).version, requirement)


def holes_of(*lines: str, wanted: tuple[str, ...] = (), on: str = LINUX) -> list[str]:
    """Return what is missing of these pins there."""
    wants = [Want("requirements.in", Requirement(line)) for line in wanted]
    found = holes(wants, map(pin, lines), lambda name, version: RELEASES.get(f"{name} {version}"), environments()[on])
    return sorted(set(found))


def test_a_lock_that_pins_all_that_is_wanted_has_no_holes() -> None:
    assert holes_of("flask==1.0", "werkzeug==3.0", wanted=("flask>=0.9",)) == []


def test_what_a_package_wants_and_nobody_pins_is_a_hole() -> None:
    assert holes_of("flask==1.0") == ["flask 1.0 wants werkzeug>=3, which no lock pins"]


def test_so_is_an_input_that_is_not_pinned() -> None:
    assert holes_of(wanted=("flask>=1",)) == ["requirements.in wants flask>=1, which no lock pins"]


def test_a_pin_must_be_what_was_asked_for() -> None:
    assert holes_of("flask==1.0", "werkzeug==2.9") == [
        "flask 1.0 wants werkzeug>=3, but requirements.txt pins 2.9",
    ]


def test_a_pin_may_be_a_release_before_the_release() -> None:
    assert holes_of("flask==1.0", "werkzeug==3.1rc1") == []


def test_a_marker_makes_a_hole_on_its_system_alone() -> None:
    lines = ("flask==1.0", "werkzeug==3.0")

    assert holes_of(*lines, on="Python 3.11.0, Windows") == ["flask 1.0 wants colours, which no lock pins"]
    assert holes_of(*lines, on="Python 3.11.0, macOS") == []


def test_a_pin_with_a_marker_is_one_only_there() -> None:
    lines = ("flask==1.0", "werkzeug==3.0; python_version < '3.14'")

    assert holes_of(*lines, on="Python 3.13.0, Linux") == []
    assert holes_of(*lines) == ["flask 1.0 wants werkzeug>=3, which no lock pins"]


def test_extras_of_extras_are_wanted_in_whatever_spelling() -> None:
    lines = ("cov==7.0", "measure==1.0")
    older = "Python 3.12.0, Linux"

    assert holes_of(*lines, on=older) == ["measure 1.0 wants Reader[Fast_Path], which no lock pins"]
    assert holes_of(*lines, "reader==2.0", on=older) == ["reader 2.0 wants engine, which no lock pins"]
    assert holes_of(*lines, "reader==2.0", "engine==1.0", on=older) == []
    assert holes_of(*lines) == [], "nobody wants the reader on 3.14"


def test_an_extra_that_only_an_input_names_is_wanted() -> None:
    """uv writes pins without their extras."""
    lines = ("measure==1.0", "reader==2.0")

    assert holes_of(*lines, on="Python 3.12.0, Linux") == []
    assert holes_of(*lines, wanted=("measure[toml]",), on="Python 3.12.0, Linux") == [
        "reader 2.0 wants engine, which no lock pins"
    ]


def test_an_extra_may_be_made_of_the_package_s_own() -> None:
    assert holes_of("all-in==1.0", wanted=("all-in[all]",)) == ["all-in 1.0 wants some-thing, which no lock pins"]


def test_an_extra_that_does_not_exist_any_more_is_a_hole() -> None:
    assert holes_of("werkzeug==3.0", wanted=("werkzeug[speed]",)) == [
        "requirements.in wants werkzeug[speed], but werkzeug 3.0 has no extra speed"
    ]


def test_a_pin_must_run_where_it_is_pinned() -> None:
    assert holes_of("modern==1.0") == []
    assert holes_of("modern==1.0", on="Python 3.11.0, Linux") == ["modern 1.0 wants Python >=3.12"]


def test_the_first_release_of_a_python_and_its_last_are_both_looked_at() -> None:
    assert holes_of("old==1.0", on="Python 3.11.0, Linux") == ["old 1.0 wants before, which no lock pins"]
    assert holes_of("old==1.0", on="Python 3.11.99, Linux") == ["old 1.0 wants after, which no lock pins"]


def test_locks_that_share_an_environment_must_agree() -> None:
    ours, theirs = pin("anyio==4.1"), pin("anyio==4.2; sys_platform == 'win32'", "requirements-bench.txt")

    assert list(disagreements([ours, theirs], environments()[LINUX])) == []
    assert list(disagreements([ours, theirs], environments()["Python 3.14.0, Windows"])) == [
        "requirements.txt pins anyio 4.1, requirements-bench.txt pins 4.2"
    ]


def test_lock_files_and_inputs_are_read_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "a.in").write_text("# why\n-c other.txt\nflask[async]>=3  # more\n\nuvloop; sys_platform != 'win32'\n")
    (tmp_path / "a.txt").write_text(
        "# by uv\nfl_ask==3.1.3 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via -r a.in\n"
        "uvloop==0.2 ; sys_platform != 'win32' \\\n    --hash=sha256:cc\n"
    )

    assert [str(want) for want in inputs_of(tmp_path / "a.in")] == [
        "a.in wants flask[async]>=3",
        "a.in wants uvloop",
    ]
    assert [(one.name, one.version) for one in pins_of(tmp_path / "a.txt")] == [("fl-ask", "3.1.3"), ("uvloop", "0.2")]
    assert str(pins_of(tmp_path / "a.txt")[1].line.marker) == 'sys_platform != "win32"'


def test_a_hole_in_the_project_s_own_locks_is_said_with_where_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pin is taken out that one package wants: main finds it, and is content with the files as they are."""
    for path in ROOT.glob("requirements*"):
        text = path.read_text()
        (tmp_path / path.name).write_text(re.sub(r"(?m)^coverage==.*\n", "", text))
    assert complete_locks.main() == 0
    monkeypatch.setattr(complete_locks, "ROOT", tmp_path)

    assert complete_locks.main() == 1
    told = capsys.readouterr().err
    assert re.fullmatch(r"pytest-cov [\d.]+ wants coverage\[toml\]>=[\d.]+, which no lock pins\n", told)


def test_a_lock_file_is_never_given_to_a_resolver() -> None:
    """In what is run and in what people are told to run: the Dockerfile, the documents, messages."""
    folders = ("docs", "benchmarks", "deploy", "testkit", "tests", "tools", ".github", ".ci")
    paths = [path for path in ROOT.iterdir() if path.is_file()]
    paths += [path for folder in folders for path in (ROOT / folder).rglob("*.*") if path.suffix != ".png"]
    texts = [" ".join(path.read_text(errors="replace").split()) for path in paths if path.is_file()]

    commands = [found for text in texts for found in re.findall(r"pip install [^`;|]*?-r requirements", text)]

    assert len(commands) >= 3
    assert [command for command in commands if "--no-deps --require-hashes" not in command] == []
