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


OLD, OLDER, NEWER = (f"Python {number}, Linux" for number in ("3.12.0", "3.11.0", "3.11.99"))
NO_WERKZEUG = ["flask 1.0 wants werkzeug>=3, which no lock pins"]
NO_ENGINE = ["reader 2.0 wants engine, which no lock pins"]


@pytest.mark.parametrize(
    ("pins", "wanted", "on", "missing"),
    [
        ("flask==1.0 werkzeug==3.0", "flask>=0.9", LINUX, []),
        ("flask==1.0", "", LINUX, NO_WERKZEUG),
        ("", "flask>=1", LINUX, ["requirements.in wants flask>=1, which no lock pins"]),
        # A pin must be what was asked for, and may be a release before the release.
        ("flask==1.0 werkzeug==2.9", "", LINUX, ["flask 1.0 wants werkzeug>=3, but requirements.txt pins 2.9"]),
        ("flask==1.0 werkzeug==3.1rc1", "", LINUX, []),
        # A marker makes a hole on its system alone, and a pin with one is one only there.
        ("flask==1.0 werkzeug==3.0", "", "Python 3.11.0, Windows", ["flask 1.0 wants colours, which no lock pins"]),
        ("flask==1.0 werkzeug==3.0", "", "Python 3.11.0, macOS", []),
        ("flask==1.0 werkzeug==3.0;python_version<'3.14'", "", "Python 3.13.0, Linux", []),
        ("flask==1.0 werkzeug==3.0;python_version<'3.14'", "", LINUX, NO_WERKZEUG),
        # Extras of extras are wanted, in whatever spelling, and those that an input names: uv writes pins without them.
        ("cov==7.0 measure==1.0", "", OLD, ["measure 1.0 wants Reader[Fast_Path], which no lock pins"]),
        ("cov==7.0 measure==1.0 reader==2.0", "", OLD, NO_ENGINE),
        ("cov==7.0 measure==1.0 reader==2.0 engine==1.0", "", OLD, []),
        ("cov==7.0 measure==1.0", "", LINUX, []),
        ("measure==1.0 reader==2.0", "", OLD, []),
        ("measure==1.0 reader==2.0", "measure[toml]", OLD, NO_ENGINE),
        ("all-in==1.0", "all-in[all]", LINUX, ["all-in 1.0 wants some-thing, which no lock pins"]),
        (
            "werkzeug==3.0",
            "werkzeug[speed]",
            LINUX,
            ["requirements.in wants werkzeug[speed], but werkzeug 3.0 has no extra speed"],
        ),
        # A pin must run where it is pinned; the first release of a Python and its last are both looked at.
        ("modern==1.0", "", LINUX, []),
        ("modern==1.0", "", OLDER, ["modern 1.0 wants Python >=3.12"]),
        ("old==1.0", "", OLDER, ["old 1.0 wants before, which no lock pins"]),
        ("old==1.0", "", NEWER, ["old 1.0 wants after, which no lock pins"]),
    ],
)
def test_what_is_wanted_and_not_pinned(pins: str, wanted: str, on: str, missing: list[str]) -> None:
    assert holes_of(*pins.split(), wanted=tuple(wanted.split()), on=on) == missing


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
    """A pin is taken out that one package wants: main finds it. With the files as they are `./run check` is content."""
    for path in ROOT.glob("requirements*"):
        text = path.read_text()
        (tmp_path / path.name).write_text(re.sub(r"(?m)^coverage==.*\n", "", text))
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
