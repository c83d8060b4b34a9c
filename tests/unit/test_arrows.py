"""The arrows of the design: who may import whom. Left may import right, and nothing else among ours."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from sys import stdlib_module_names

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What the views share: how a request is read and an answer written. Each may use those to its right and config.
TOOLS = {
    "app.application",
    "app.errors",
    "app.logging",
    "app.media_types",
    "app.negotiation",
    "app.openapi",
    "app.parameters",
    "app.security",
}

# What views share that write: who may, how a body is read, what one has seen, and the transaction with its answer.
WRITING_TOOLS = {"app.bodies", "app.idempotency", "app.preconditions", "app.tokens"}

# A room is a folder that has queries. What its files may import: a dot stands before those of the same room.
ROOMS = {f"app.{path.parent.name}" for path in (ROOT / "app").glob("*/queries.py")}
VIEW = TOOLS | {".queries", ".names", ".shapes"}
FILES: dict[str, set[str]] = {
    "": {".api", ".pages", ".writing", ".commands"},  # the room itself: it brings what it has
    ".api": VIEW,
    ".pages": VIEW,
    ".writing": VIEW | WRITING_TOOLS | {".changes"},
    ".changes": {".models", ".names", ".queries", "app.bodies", "app.errors", "steadypool"},
    ".shapes": TOOLS | {".queries", ".names"},
    ".queries": {".models", ".names", ".layout", ".spellings", "app.extensions", "steadypool"},
    ".models": {".names", "app.extensions"},
    ".layout": {"steadypool", "app.schema"},
    ".spellings": {".models", ".names", ".layout"},
    ".names": set(),
    # A name that the lookup refuses is not loaded.
    ".commands": {".commands", ".models", ".names", "app.commands", "app.extensions", "app.parameters", "steadypool"},
}

COMMANDS = {
    "app.commands",
    "steadypool",
    "app.extensions",
    "app.operations",
    "app.logging",
    "app.schema",
    "config",
}
ALLOWED: dict[str, set[str]] = {
    "wsgi": {"app"},
    "gunicorn.conf": {"config", "serving"},
    # In a worker, which has loaded the application, the budget is asked for, and telemetry begins.
    "serving": {"config", "serving", "app.operations.budget", "app.telemetry"},
    "config": {"settings"},
    # Beside config.py, and imported by it alone.
    "settings": {"settings"},
    "migrations.env": {
        "app",
        "app.commands.manners",
        "app.extensions",
        "app.idempotency",
        "steadypool",
        "app.schema",
        "config",
        "migrations.lease",
        "migrations.lock",
    },
    "migrations.lock": {"migrations.lease"},
    "migrations.lease": {"steadypool"},
    "app.extensions": {"app.logging", "steadypool", "config"},
    "app.schema": {"steadypool"},
    "app.operations": {"app.operations", "steadypool", "app.extensions", "app.schema", "config", *TOOLS},
    "app.commands": COMMANDS,
    # What leads to the server that runs.
    "app.commands.orders": COMMANDS | {"serving.run_directory"},
    "app.telemetry": {"app.extensions", "app.operations.totals", "app.telemetry", "config", "steadypool"},
    "steadypool": {"steadypool"},
    # Three rings; an arrow points inwards only.
    "steadypool.drivers": {"steadypool.core", "steadypool.drivers"},
    "steadypool.core": {"steadypool.core"},
    # Tables that are missing are an error of their own; its class lives with the schema.
    "app.errors": TOOLS | {"steadypool", "app.schema"},
    "app.media_types": {"app.application"},
    "app.logging": {"config"},
    "app.access_log": {"app.application", "app.logging", "steadypool", "config"},
    "app.application": set(),
    # What wraps each request, whoever it comes from.
    "app.middleware": {
        "app.bodies",
        "app.access_log",
        "app.consistency",
        "app.logging",
        "app.operations.metrics",
        "app.security",
        "app.server_timing",
        "config",
        "steadypool",
    },
    "app.refusal": {"app.errors", "app.operations.metrics", "app.security"},
    "app.server_timing": {"app.logging", "steadypool"},
    "app.negotiation": TOOLS,
    "app.parameters": TOOLS | {"app.characters"},
    "app.characters": set(),
    "app.openapi": TOOLS | {"app.consistency", "app.openapi_schemas", "app.openapi_writes"},
    "app.openapi_schemas": set(),
    "app.openapi_writes": WRITING_TOOLS | {"app.consistency", "app.openapi_schemas"},
    "app.bodies": TOOLS | {"app.fields"},
    "app.fields": {"app.errors"},
    "app.conflicts": {"app.errors", "steadypool"},
    "app.idempotency": TOOLS
    | {"app.bodies", "app.conflicts", "app.consistency", "app.extensions", "app.preconditions", "app.schema"}
    | {"steadypool"},
    "app.consistency": {"app.extensions", "config", "steadypool"},
    "app.preconditions": TOOLS,
    "app.tokens": TOOLS | {"config"},
    "app.security": TOOLS,
}
for room in ROOMS:
    for file, arrows in FILES.items():
        ALLOWED[room + file] = {room + to if to.startswith(".") else to for to in arrows}

FLASK_FREE = (
    "steadypool",
    "app.schema",
    *(f"{room}.{file}" for room in ROOMS for file in ("queries", "changes", "models", "names", "layout", "spellings")),
)
VIEWS = {f"{room}.{file}" for room in ROOMS for file in ("api", "pages", "writing")}
# No settings: whoever started Gunicorn hands its sockets over that way; the folder is prometheus_client's to know, and
# where to send is OpenTelemetry's.
READ_THE_ENVIRONMENT = {
    "config",
    "settings.sources",
    "serving.addresses",
    "serving.run_directory",
    "app.telemetry.sending",
}
READS = re.compile(r"\bos\.environ|\bgetenv\b|import environ\b")
POOL_NEEDS = {"sqlalchemy", "pymysql", "MySQLdb", "mysql", "psycopg", "steadypool"}


@cache
def files() -> dict[str, Path]:
    """Return every file of ours that has a place in the picture, by the name that an import uses."""
    paths = [ROOT / "wsgi.py", ROOT / "config.py", ROOT / "gunicorn.conf.py", *(ROOT / "migrations").glob("*.py")]
    paths += sorted(
        path for part in ("app", "serving", "settings", "steadypool") for path in (ROOT / part).rglob("*.py")
    )
    return {module_name(path): path for path in paths}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it; `from app.room import queries` counts as the latter."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it points"
            found |= {deepest(node.module or "", alias.name) for alias in node.names}
    return found


def deepest(module: str, name: str) -> str:
    place = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if place.with_suffix(".py").exists() or place.is_dir() else module


def ours(modules: set[str]) -> set[str]:
    return {
        module
        for module in modules
        if module.split(".")[0] in {"app", "config", "migrations", "serving", "settings", "steadypool", "wsgi"}
    }


def within(module: str, rooms: set[str]) -> bool:
    # "app" alone is the factory, not everything below it.
    return any(module == room or (room != "app" and module.startswith(f"{room}.")) for room in rooms)


def rule_for(module: str) -> set[str] | None:
    """Return the rule of the module itself, or of the folder that it is in; the files of a room have one each."""
    while module:
        if module in ALLOWED and module != "app":
            return ALLOWED[module]
        if module.rpartition(".")[0] in ROOMS:
            return None
        module = module.rpartition(".")[0]
    return None


@pytest.mark.parametrize("module", [name for name in files() if name != "app"])
def test_a_file_imports_only_what_its_arrows_allow(module: str) -> None:
    allowed = rule_for(module)
    assert allowed is not None, f"{module} has no place in the picture yet: give it its arrows in ALLOWED"

    astray = {found for found in ours(imports(files()[module])) if not within(found, allowed)}

    assert astray == set(), f"{module} may import {sorted(allowed)}"


NAMING = {"app/__init__.py", "app/schema.py"}
"""The two places that name the rooms."""


def test_nothing_that_rooms_share_names_one() -> None:
    shared = [*(ROOT / "app").rglob("*.*"), ROOT / "gunicorn.conf.py", ROOT / "migrations/env.py", ROOT / "run"]
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in shared if path.suffix != ".pyc"}

    for name in (room.removeprefix("app.") for room in ROOMS):
        found = {path for path, text in texts.items() if re.search(rf"\bapp[./]{name}\b|\b{name}[./]\w", text)}

        assert {path for path in found if not path.startswith(f"app/{name}/")} <= NAMING


def outside(module: str) -> set[str]:
    """Return the packages that a file imports, ours and others'."""
    return {found.split(".")[0] for found in imports(files()[module])}


def test_views_write_no_sql() -> None:
    assert those_with(VIEWS & set(files()), {"sqlalchemy", "flask_sqlalchemy"}) == {}


def test_queries_and_the_pool_know_no_request() -> None:
    quiet = {name for name in files() if name.startswith(FLASK_FREE)}

    assert those_with(quiet, {"flask", "werkzeug", "flask_sqlalchemy"}) == {}


def those_with(modules: set[str], packages: set[str]) -> dict[str, set[str]]:
    """Return which of these packages are imported, by file."""
    return {name: found for name in modules if (found := outside(name) & packages)}


@pytest.mark.parametrize(
    ("part", "needs", "at_least"),
    [
        (("steadypool",), POOL_NEEDS, 30),
        (("steadypool.core.", "steadypool.drivers."), {"steadypool"}, 15),
    ],
    ids=["the pool could be taken elsewhere", "its inner rings know no SQLAlchemy and its core no driver"],
)
def test_what_is_not_ours(part: tuple[str, ...], needs: set[str], at_least: int) -> None:
    found = {name: outside(name) - needs - stdlib_module_names for name in files() if name.startswith(part)}

    assert len(found) > at_least
    assert {name: more for name, more in found.items() if more} == {}


def test_only_the_settings_read_the_environment() -> None:
    for name, path in files().items():
        lines = path.read_text(encoding="utf-8").splitlines()
        reads = [line.strip() for line in lines if READS.search(line.partition("#")[0])]

        assert name in READ_THE_ENVIRONMENT or reads == [], name


def test_no_file_imports_in_a_circle() -> None:
    graph = {name: {found for found in ours(imports(path)) if found in files()} for name, path in files().items()}
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for found in sorted(graph[name]):
                visit(found, [*way, name])
            done.add(name)

    for name in graph:
        visit(name, [])
