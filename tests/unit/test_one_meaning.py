"""No public name of a class, a function or a type stands for two things in our own code.

Constants belong to their module: several have a BOUND_SECONDS, each its own.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.unit.test_arrows import ROOMS, ROOT, module_name

SERVED = ("config.py", "app", "serving", "settings", "steadypool")
TESTKIT = ("testkit",)  # which knows nothing of the application, nor that of it
CORE_ERRORS = {"steadypool.errors", "steadypool.core.errors"}
EXCEPTIONS = {
    "init_app": "what every extension of Flask calls the function that takes the application",
    "command": "the one command of its file, as `init_app` is the one way in",
    "obtain": "a server of that kind, for the tests in general or for those that break it",
    "Clients": "the same threads, with their results kept inside one test",
}


def public_names(path: Path) -> Iterator[str]:
    """Yield the names that a module defines for others: of classes and functions, and of types in CamelCase."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and not is_variable(node.value):
            name = node.targets[0].id if node.targets[0].id[:1].isupper() else "_"
        else:
            continue
        if not name.startswith("_") and not name.isupper():
            yield name


def is_variable(value: ast.expr) -> bool:
    """Tell whether this makes a type variable, which means something within one signature alone."""
    return isinstance(value, ast.Call) and ast.unparse(value.func) in ("TypeVar", "TypeVarTuple", "ParamSpec")


def defined(parts: Iterable[str]) -> dict[str, set[str]]:
    """Return the modules that define a public name, by name, of those names that several do."""
    found = defaultdict(set)
    for path in (path for part in parts for path in [ROOT / part, *(ROOT / part).rglob("*.py")] if path.is_file()):
        for name in public_names(path):
            found[name].add(module_name(path))
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def is_one_thing(modules: set[str]) -> bool:
    """Tell whether these modules may share names.

    In a room, a row, what the API says of it and its query have one name, and so may those of another room, none of
    which knows the pool's own; the pool's errors have their core's.
    """
    in_rooms = {module for module in modules if module.rpartition(".")[0] in ROOMS}
    others = modules - in_rooms
    beside = len(others) <= 1 and all(module.startswith("steadypool.") for module in others)
    return modules == CORE_ERRORS or (bool(in_rooms) and beside)


@pytest.mark.parametrize("parts", [SERVED, TESTKIT])
def test_no_public_name_means_two_things(parts: tuple[str, ...]) -> None:
    twice = {name: modules for name, modules in defined(parts).items() if not is_one_thing(modules)}

    assert {name: sorted(modules) for name, modules in twice.items() if name not in EXCEPTIONS} == {}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_each_exception_is_one(name: str) -> None:
    assert name in {*defined(SERVED), *defined(TESTKIT)}, f"{name} needs none any more: {EXCEPTIONS[name]}"
