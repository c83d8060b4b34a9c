"""`./run new-feature NAME`: makes an empty room, such as films, in the shape of the others: green at once.

tools/room/ has its files, about things; each is written under the new name. Three more lines of the project name it.
"""

from __future__ import annotations

import argparse
import keyword
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.dialects.mysql.reserved_words import RESERVED_WORDS_MARIADB, RESERVED_WORDS_MYSQL
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS as RESERVED_WORDS_POSTGRESQL

ROOT = Path(__file__).resolve().parents[1]

# File of tools/room/ -> where it goes.
FILES = {
    **{f"{name}.py": f"app/things/{name}.py" for name in ("__init__", "models", "queries", "shapes", "api", "pages")},
    "list.html": "app/things/templates/things/list.html",
    "migration.py": "migrations/versions/@revision@_create_thing.py",
    "test_things.py": "tests/things/test_things.py",
}
NAMING = ("app/__init__.py", "app/schema.py")
"""Files that are there, and name each room."""

TAKEN = {
    "commands",
    "operations",
    "static",
    "templates",
    "api",
    "pool",
    "clone",
    "support",
    "unit",
    "app",
    "test",
    "tests",
}
CLASSES = {
    "Page",
    "Field",
    "Model",
    "Connection",
    "Response",
    "Flask",
    "Blueprint",
    "Mapped",
    "String",
    "Annotated",
    "Any",
}
"""What the files of a room import, or call their own, beside its own class."""


RESERVED_SINCE = {"collation", "concurrently", "external", "lateral", "library", "portion", "tablesample"}
"""By MySQL 9.7, MariaDB or PostgreSQL, and not known to SQLAlchemy 2.1, which would not quote them."""

# How a word may end -> what goes and what comes for a single one; None where there is no telling (caves, knives).
ENDINGS: dict[str, tuple[str, str] | None] = {
    "movies|cookies": ("s", ""),
    "series|species": None,
    "ies": ("ies", "y"),
    "children": ("ren", ""),
    "people": ("eople", "erson"),
    "shelves|wolves|halves": ("ves", "f"),
    "[nrt]ches|shes|sses|xes": ("es", ""),
    "ches|oes|ses|ves|zes|[isu]s": None,
    "s": ("s", ""),
}


class FeatureError(Exception):
    """What cannot be done, in a sentence."""


def singular(several: str) -> str:
    """Return what one of them is called; raise FeatureError where English goes both ways."""
    for ending, change in ENDINGS.items():
        if re.search(f"({ending})$", several):
            if change is None:
                raise FeatureError(f'What is one of "{several}" called? --one says so, as in --one shelf for shelves.')
            goes, comes = change
            return several.removesuffix(goes) + comes
    return several


def names(several: str, one: str | None) -> dict[str, str]:
    """Return what takes the place of each word of the templates."""
    one = one or singular(several)
    if not all(re.fullmatch(r"[a-z][a-z0-9_]{1,30}", word) for word in (several, one)) or one == several:
        raise FeatureError(
            f'"{several}" will not do: small letters, in the plural, such as films; '
            "where one of them is not just without its s: --one child"
        )
    classes = "".join(word.capitalize() for word in one.split("_"))
    # All SQL of ours is quoted; what people type into a console seldom is.
    reserved = {*RESERVED_WORDS_MYSQL, *RESERVED_WORDS_MARIADB, *RESERVED_WORDS_POSTGRESQL, *RESERVED_SINCE}
    if keyword.iskeyword(several) or keyword.iskeyword(one) or one in reserved or classes in CLASSES:
        raise FeatureError(
            f'"{one}" means something else to Python, to SQL or to these files; name it otherwise: --one my_{one}'
        )
    forms = {"Things": several.capitalize(), "THINGS": several.upper()}
    return {"things": several, "thing": one, "Thing": classes, **forms}


def written(text: str, words: dict[str, str]) -> str:
    """Return a template under the new name."""
    return re.sub(r"THINGS|Things|things|Thing|thing", lambda found: words[found[0]], text)


def in_order(text: str) -> str:
    """Return Python whose imports stand by module, as lint wants them, whatever the room is called."""

    def by_module(found: re.Match[str]) -> str:
        return "".join(sorted(found[0].splitlines(keepends=True), key=lambda line: line.split()[1]))

    return re.sub(r"(?m)(?:^from .*\n)+", by_module, text)


def make(root: Path, several: str, one: str | None = None) -> list[str]:
    """Write all files of the room and the lines that name it; return what was written and changed."""
    words = names(several, one)
    there = [root / "app" / several, root / "app" / f"{several}.py", root / "tests" / several]
    if several in TAKEN or any(path.exists() for path in there):
        raise FeatureError(f"app/{several} or tests/{several} is there already, or has to stay free.")
    made = "".join(path.read_text("utf-8") for path in (root / "migrations/versions").glob("*.py"))
    if f'"{words["thing"]}"' in made or f'"{words["things"]}"' in made:
        raise FeatureError(f"There is a table {words['thing']} already; name it otherwise: --one my_{words['thing']}")
    revisions = sorted(path.name.partition("_")[0] for path in (root / "migrations/versions").glob("[0-9]*.py"))
    last = revisions[-1] if revisions else None
    revision = f"{int(last or 0) + 1:04}"
    files = {"tests/things/__init__.py": ""}
    files |= {place: (root / "tools/room" / f"{name}.txt").read_text("utf-8") for name, place in FILES.items()}
    done = []
    for place, text in files.items():
        path = root / written(place, words).replace("@revision@", revision)
        path.parent.mkdir(parents=True, exist_ok=True)
        numbered = text.replace("@revision@", revision).replace("@down_revision@", f'"{last}"' if last else "None")
        filled = written(numbered, words)
        path.write_text(in_order(filled) if path.suffix == ".py" else filled, encoding="utf-8")
        done.append(str(path.relative_to(root)))
    return [*done, *named(root, words)]


def named(root: Path, words: dict[str, str]) -> list[str]:
    """Name the room in the factory and its table in the schema."""
    several, table = words["things"], words["thing"]
    factory, schema = (root / path for path in NAMING)
    text = factory.read_text("utf-8")
    text = re.sub(r"(?m)^from app import .*\n", rf"\g<0>from app.{several} import init_app as init_{several}\n", text)
    text = re.sub(r"(?m)^ +app\.register_blueprint\(openapi", rf"    init_{several}(app)\n\g<0>", text)
    factory.write_text(in_order(text), encoding="utf-8")
    tables = schema.read_text("utf-8")
    tables = re.sub(
        r"(?ms)^(TABLES: dict\[str, str\] = \{)(.*?),?(\s*)\}$",
        lambda found: f'{found[1]}{found[2]}{", " if found[2] else ""}"{table}": "{table}_id"{found[3]}}}',
        tables,
    )
    schema.write_text(tables, encoding="utf-8")
    return list(NAMING)


def told(words: dict[str, str]) -> str:
    """Return the line that says what the room's things are called, and how they would be called otherwise."""
    several, one = words["things"], words["thing"]
    return f"One of them: class {words['Thing']}, table {one}, /{several} and /api/v1/{several}; otherwise: --one NAME."


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Make the room; return the exit code."""
    parser = argparse.ArgumentParser(prog="./run new-feature", description="Make an empty room.")
    parser.add_argument("name", help="small letters, in the plural, such as films")
    parser.add_argument("--one", help="a single one, if that is not the name without its s")
    asked = parser.parse_args(arguments)
    try:
        done = make(root, asked.name, asked.one)
    except FeatureError as error:
        print(f"./run new-feature: {error}", file=sys.stderr)
        return 2
    # Lines that have become too long, or short enough; where it is not installed yet, ./run check tells of them.
    if find_spec("ruff"):
        python = [path for path in done if path.endswith(".py")]
        command = [sys.executable, "-m", "ruff", "format", "--quiet", *python]
        subprocess.run(command, cwd=root, check=True)  # noqa: S603 - ours
    # What is new, what it is called, what was changed for it.
    print(*done[: -len(NAMING)], told(names(asked.name, asked.one)), *NAMING, sep="\n")
    print(f"Then: ./run migrate, ./run test tests/{asked.name}, ./run check. docs/add-a-feature.md goes on from here.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
