"""`./run rename NAME`: gives the project another name in every place that carries it. Needs nothing but Python.

The places are listed, not searched for: "cities" is also the sample feature, which keeps its name. What the project is
called now stands in pyproject.toml, which is changed last, so an interrupted renaming is finished by doing it again.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# File -> the words around the name. @name@ is my-service, @title@ My Service, @Camel@ MyService, @snake@ my_service.
PLACES: dict[str, tuple[str, ...]] = {
    "README.md": ("# @title@: ",),
    "app/extensions.py": ('SERVICE = "@name@"',),
    "app/openapi.py": ('"title": "@title@"',),
    "app/templates/base.html": ("}}@title@</title>", 'height="24">@title@\n'),
    "deploy/grafana/dashboard.json": (
        '"uid": "@name@"',
        '"title": "@title@"',
        '"tags": ["@name@"]',
        '"text": "@name@", "value": "@name@"',
    ),
    "deploy/grafana/provisioning/dashboards/@name@.yml": ("name: @name@\n",),
    "deploy/nginx/app.conf": (
        "conf.d/@name@.conf",
        "upstream @name@ {",
        "$@snake@_request_id",
        "log_format @name@ ",
        " @name@.example.org",
        "//@name@.example.org",
        "/ssl/@name@/",
        "/@name@.log @name@;",
        "http://@name@;",
    ),
    "deploy/prometheus/alerts.yml": ("- name: @name@\n", "alert: @Camel@", 'job="@name@"'),
    "deploy/prometheus/prometheus.yml": ('job="@name@"', "job_name: @name@\n"),
    "deploy/systemd/@name@.service": (
        "system/@name@.service",
        "/srv/@name@",
        "/etc/@name@/",
        "Description=@title@:",
        "User=@name@\n",
        "Group=@name@\n",
        "RuntimeDirectory=@name@\n",
        "=%t/@name@\n",
    ),
    "docs/deploy.md": (
        "/srv/@name@",
        "/etc/@name@/",
        "/etc/@name@\n",
        "/run/@name@`",
        "nologin @name@\n",
        "systemd/@name@.service",
        "--now @name@\n",
        "status @name@\n",
        "-u @name@",
        "security @name@`",
        "reload @name@`",
        "\n  @name@`",
        "conf.d/@name@.conf",
        "/ssl/@name@ ",
        'job="@name@"',
        "`@Camel@",
    ),
    "docs/metrics.md": ("//@name@.example/",),
    "docs/operations.md": ("//@name@.example/",),
    "tests/deploy/alerts.yml": ('job="@name@"', "job: @name@,", "alertname: @Camel@", 'alertname="@Camel@'),
    "tests/deploy/proxying.py": ('"@name@.example.org"', "/ssl/@name@/", "/@name@.log"),
    "tests/deploy/test_nginx.py": ("Host: @name@.example.org",),
    "tests/deploy/test_observability.py": ("dashboards/@name@.yml",),
    "tests/deploy/test_prometheus.py": ('job="@name@"', '"@Camel@'),
    "tests/deploy/test_systemd.py": ("systemd/@name@.service", "/srv/@name@"),
    "tests/deploy/test_rules.py": ('removeprefix("@Camel@")',),
    "pyproject.toml": ('\nname = "@name@"\n', '\ntitle = "@title@"\n'),
}


class RenameError(Exception):
    """What cannot be done, in a sentence."""


@dataclass(frozen=True)
class Name:
    """What a project is called, in the forms that the places want."""

    name: str
    title: str

    def into(self, text: str) -> str:
        """Return the text with the name in its places."""
        forms = {
            "@name@": self.name,
            "@title@": self.title,
            "@Camel@": "".join(word.capitalize() for word in self.name.split("-")),
            "@snake@": self.name.replace("-", "_"),
        }
        return re.sub("@[a-zA-Z]+@", lambda found: forms[found[0]], text)


@dataclass(frozen=True)
class Change:
    """What becomes of one file: where it is, where it will be, its new text, what is said of it."""

    path: str
    new_path: str
    text: str
    said: str

    def make(self, root: Path) -> None:
        """Write the file whole or not at all, and take the one of the old name away."""
        old, new = root / self.path, root / self.new_path
        beside = new.with_name(f".{new.name}.new")
        beside.write_text(self.text, encoding="utf-8")
        beside.chmod(old.stat().st_mode)
        beside.replace(new)
        if new != old:
            old.unlink()


def current_name(root: Path) -> Name:
    """Return what pyproject.toml says."""
    with (root / "pyproject.toml").open("rb") as file:
        said = tomllib.load(file).get("tool", {}).get("rename", {})
    if not {"name", "title"} <= set(said):
        raise RenameError("pyproject.toml has no [tool.rename] with name and title, so what to replace is unknown.")
    return Name(said["name"], said["title"])


def checked_name(name: str, title: str | None) -> Name:
    """Return the new name; it has to serve as the name of a user, a unit, a folder and a host."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or not 2 <= len(name) <= 31:
        raise RenameError(
            f'"{name}" will not do: 2 to 31 small letters and digits, words joined by single hyphens, a letter first, '
            "such as film-archive."
        )
    title = " ".join(word.capitalize() for word in name.split("-")) if title is None else title
    if not re.fullmatch(r"[^\W_]([\w .-]{0,38}[\w.])?", title):
        raise RenameError(
            f'The title "{title}" will not do: 1 to 40 letters, digits, blanks, points and hyphens, none of the last '
            "three first or, but for the point, last."
        )
    return Name(name, title)


def planned(root: Path, old: Name, new: Name) -> tuple[list[Change], list[str]]:
    """Return the changes, and a line for each place where the name is not found.

    Raises RenameError where the name is one that cannot be taken back.
    """
    changes, missing = [], []
    for place, surroundings in PLACES.items():
        path, new_path = old.into(place), new.into(place)
        if (root / path).exists():
            text = (root / path).read_text(encoding="utf-8")
            pairs = [(old.into(each), new.into(each)) for each in surroundings]
            change, lost = renamed(path, new_path, text, pairs)
            if change and not restores(text, change[0], pairs):
                raise RenameError(
                    f'"{new.name}" will not do: {path} uses it for something else, and no way leads back.'
                )
            changes += change
            missing += lost
        elif not (root / new_path).exists():
            missing.append(f"{path}: not there")
    return changes, missing


def renamed(path: str, new_path: str, text: str, pairs: list[tuple[str, str]]) -> tuple[list[Change], list[str]]:
    """Return the change of this file, none where it has the new name already, and what it does not contain."""
    if path == new_path and all(new in text for _, new in pairs):
        return [], []
    missing = [f"{path}: no {old.strip()!r} in it" for old, new in pairs if old not in text and new not in text]
    count = 0
    for old, new in pairs:
        count += text.count(old)
        text = text.replace(old, new)
    moved = f", becomes {new_path}" if path != new_path else ""
    said = f"{path}: {count} {'place' if count == 1 else 'places'}{moved}"
    return ([Change(path, new_path, text, said)] if count or moved else []), missing


def restores(text: str, change: Change, pairs: list[tuple[str, str]]) -> bool:
    """Tell whether the way back leads to this text: not where the new name stands already, such as /etc/nginx/."""
    back, _ = renamed(change.new_path, change.path, change.text, [(new, old) for old, new in pairs])
    return [each.text for each in back] == [text]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Rename the project of this folder; return the exit code."""
    parser = argparse.ArgumentParser(prog="./run rename", description="Give the project another name everywhere.")
    parser.add_argument("name", help="small letters, digits and hyphens, such as film-archive")
    parser.add_argument("--title", help="for people; made from the name if it is left out: Film Archive")
    parser.add_argument("--dry-run", action="store_true", help="say what would be changed and change nothing")
    asked = parser.parse_args(arguments)
    try:
        old, new = current_name(root), checked_name(asked.name, asked.title)
        changes, missing = planned(root, old, new)
    except RenameError as error:
        print(f"./run rename: {error}", file=sys.stderr)
        return 2
    for line in missing:
        print(f"{line}; left as it is")
    for change in changes:
        print(change.said)
        if not asked.dry_run:
            change.make(root)
    print(summary(old, new, len(changes), dry_run=asked.dry_run))
    return 0


def summary(old: Name, new: Name, files: int, *, dry_run: bool) -> str:
    """Return what was done, and how to undo it."""
    if not files:
        return f"The project is called {new.name} ({new.title}) already; nothing to do."
    where = f"in {files} {'file' if files == 1 else 'files'}"
    if dry_run:
        return f"{old.name} would become {new.name} ({new.title}) {where}; nothing was changed."
    return (
        f"{old.name} is {new.name} ({new.title}) now, {where}; git diff shows how. "
        f'The way back: ./run rename {old.name} --title "{old.title}"\n'
        "Not renamed: this folder, the rooms in app/, whatever runs already."
    )


if __name__ == "__main__":
    sys.exit(main())
