"""Versions and changelogs in step, and what the release workflow takes from them."""

from __future__ import annotations

from pathlib import Path

import pytest

import config
from config import ROOT
from tools.release_notes import StepError, check, main, versions


@pytest.mark.parametrize("changelog", versions())
def test_each_changelog_and_its_version_are_in_step(changelog: str) -> None:
    check((ROOT / changelog).read_text(), versions()[changelog])


def test_the_version_read_from_the_file_is_the_one_that_is_served() -> None:
    assert versions()["CHANGELOG.md"] == config.VERSION


def changelog(*headings: str) -> str:
    return "# Changelog\n\n" + "".join(f"## {heading}\n\n- Something of {heading}.\n\n" for heading in headings)


@pytest.mark.parametrize(
    ("headings", "version"),
    [
        (["Unreleased"], "0.1.0"),
        (["Unreleased", "0.9.0 - 2026-10-01"], "0.10.0"),
        (["1.0.0 - 2026-12-01", "0.9.0 - 2026-10-01"], "1.0.0"),
    ],
)
def test_the_coming_version_or_the_newest_release_is_in_step(headings: list[str], version: str) -> None:
    check(changelog(*headings), version)


@pytest.mark.parametrize(
    ("headings", "version", "sentence"),
    [
        (["Unreleased", "1.0.0 - 2026-12-01"], "1.0.0", "1.0.0 must be above 1.0.0"),
        (["1.0.0 - 2026-12-01"], "1.1.0", '"1.1.0 - YYYY-MM-DD" or "Unreleased" must be on top'),
        (["1.1.0 - 2026-12-01"], "1.0.0", '"1.0.0 - YYYY-MM-DD" or "Unreleased" must be on top'),
        ([], "1.0.0", '"1.0.0 - YYYY-MM-DD" or "Unreleased" must be on top'),
        (["1.0.0"], "1.0.0", '"1.0.0" is no heading of a release'),
        (["1.0.0 - 2026-12-01", "Unreleased"], "1.0.0", '"Unreleased" is no heading of a release'),
        (["0.9.0 - 2026-10-01", "0.10.0 - 2026-12-01"], "0.9.0", "not in order, the newest first"),
    ],
)
def test_what_is_out_of_step_is_said_in_a_sentence(headings: list[str], version: str, sentence: str) -> None:
    with pytest.raises(StepError, match=sentence):
        check(changelog(*headings), version)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose next release is 1.1.0, and whose pool stays as it is."""
    (tmp_path / "steadypool").mkdir()
    (tmp_path / "config.py").write_text('VERSION = "1.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(changelog("1.1.0 - 2026-12-01", "1.0.0 - 2026-11-01"))
    (tmp_path / "steadypool/pyproject.toml").write_text('[project]\nversion = "0.1.0"\n')
    (tmp_path / "steadypool/CHANGELOG.md").write_text(changelog("0.1.0 - 2026-11-01"))
    return tmp_path


def test_the_notes_are_what_the_changelog_says_of_the_release(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["v1.1.0"], project) == 0

    assert capsys.readouterr().out == "- Something of 1.1.0 - 2026-12-01.\n"


@pytest.mark.parametrize(
    ("file", "heading", "tag", "said"),
    [
        ("CHANGELOG.md", "", "v1.2.0", "the tag is v1.2.0, but VERSION in config.py is 1.1.0"),
        ("CHANGELOG.md", "Unreleased", "v1.1.0", 'CHANGELOG.md: call "Unreleased" "1.1.0 - YYYY-MM-DD"'),
        (
            "steadypool/CHANGELOG.md",
            "Unreleased",
            "v1.1.0",
            'steadypool/CHANGELOG.md: call "Unreleased" "0.1.0 - YYYY-MM-DD"',
        ),
        (
            "steadypool/CHANGELOG.md",
            "0.2.0 - 2026-11-01",
            "v1.1.0",
            "steadypool/CHANGELOG.md: the version is 0.1.0",
        ),
    ],
)
def test_what_is_not_in_step_makes_no_release(
    project: Path, capsys: pytest.CaptureFixture[str], file: str, heading: str, tag: str, said: str
) -> None:
    if heading:
        (project / file).write_text(changelog(heading))

    assert main([tag], project) == 1

    assert said in capsys.readouterr().err
