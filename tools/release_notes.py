"""`python tools/release_notes.py v1.2.3`: prints what CHANGELOG.md says of that release, or why there can be none.

Needs nothing but Python. The rule is CONTRIBUTING.md's: below "Unreleased" stands what comes next, and the version is
that coming one; where there is no "Unreleased" the version is the newest released.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UNRELEASED = "Unreleased"
HEADING = re.compile(r"^## (.*)\n", re.MULTILINE)
RELEASED = re.compile(r"(\d+)\.(\d+)\.(\d+) - \d{4}-\d\d-\d\d")

Number = tuple[int, ...]


class StepError(Exception):
    """What is out of step, in a sentence."""


def versions(root: Path = ROOT) -> dict[str, str]:
    """Return the version that belongs to each changelog."""
    [application] = re.findall(r'^VERSION = "(.+)"$', (root / "config.py").read_text("utf-8"), re.MULTILINE)
    pool = tomllib.loads((root / "steadypool/pyproject.toml").read_text("utf-8"))["project"]["version"]
    return {"CHANGELOG.md": application, "steadypool/CHANGELOG.md": pool}


def sections(changelog: str) -> dict[str, str]:
    """Return what stands below each heading, in their order."""
    _, *parts = HEADING.split(changelog)
    return dict(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))


def number(version: str) -> Number:
    """Return a version as something to compare."""
    return tuple(map(int, version.split(".")))


def check(changelog: str, version: str) -> None:
    """Raise StepError where a changelog and the version do not agree."""
    headings = list(sections(changelog))
    coming = headings[:1] == [UNRELEASED]
    released = headings[coming:]
    for heading in released:
        if not RELEASED.fullmatch(heading):
            raise StepError(f'"{heading}" is no heading of a release, such as "1.2.3 - 2026-12-31"')
    numbers = [number(heading.split()[0]) for heading in released]
    if numbers != sorted(set(numbers), reverse=True):
        raise StepError("the releases are not in order, the newest first")
    if coming and numbers and number(version) <= numbers[0]:
        raise StepError(f"there is something unreleased, so {version} must be above {released[0].split()[0]}")
    if not coming and numbers[:1] != [number(version)]:
        raise StepError(f'the version is {version}, so "{version} - YYYY-MM-DD" or "{UNRELEASED}" must be on top')


def notes(root: Path, tag: str) -> str:
    """Return what is said of the release of that tag; raise StepError where there can be none."""
    for path, version in versions(root).items():
        changelog = (root / path).read_text("utf-8")
        try:
            check(changelog, version)
        except StepError as error:
            raise StepError(f"{path}: {error}") from None
        if UNRELEASED in sections(changelog):
            raise StepError(f'{path}: call "{UNRELEASED}" "{version} - YYYY-MM-DD", or take it out')
    application = versions(root)["CHANGELOG.md"]
    if tag != f"v{application}":
        raise StepError(f"the tag is {tag}, but VERSION in config.py is {application}")
    said = sections((root / "CHANGELOG.md").read_text("utf-8"))
    return next(iter(said.values()))


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Print the notes, or the reason; return the exit code."""
    try:
        print(notes(root, *arguments))
    except StepError as error:
        print(f"tools/release_notes.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
