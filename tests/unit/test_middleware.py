"""What lies around the application, in which order, and that nobody else puts anything there."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.access_log import logging_answers
from app.operations.metrics import counting_answers
from tests.unit.test_arrows import files

WRAPPERS = ["security.protected", "middleware._within", "logging.identified"]
HOOKS = {"before_request", "after_request", "teardown_request", "teardown_appcontext"}


@pytest.mark.parametrize(("hops", "outermost"), [(0, []), (1, ["proxy_fix.ProxyFix"])])
def test_what_wraps_flask_from_the_outside_in(make_app: Callable[..., Flask], hops: int, outermost: list[str]) -> None:
    app = make_app(TRUSTED_PROXY_HOPS=hops)

    assert [name_of(layer) for layer in layers(app)] == [*outermost, *WRAPPERS, "application.Application"]


def layers(app: Flask) -> Iterator[Any]:
    layer: Any = app.wsgi_app
    while not inspect.ismethod(layer):
        yield layer
        layer = inspect.getclosurevars(layer).nonlocals["wsgi_app"] if inspect.isfunction(layer) else layer.app
    yield layer.__self__


def name_of(layer: Any) -> str:
    """Return module and name of what made a layer."""
    made = layer if inspect.isfunction(layer) else type(layer)
    return f"{made.__module__.rpartition('.')[2]}.{made.__qualname__.partition('.')[0]}"


@pytest.mark.parametrize(
    ("environment", "first"), [("development", ["tell_browsers"]), ("production", [])], ids=["here", "in production"]
)
def test_who_looks_at_every_request_and_every_answer(
    make_app: Callable[..., Flask], environment: str, first: list[str]
) -> None:
    app = make_app(ENVIRONMENT=environment)

    before = [check.__name__ for check in app.before_request_funcs[None]]
    after: list[Any] = [getattr(look_at, "func", look_at) for look_at in reversed(app.after_request_funcs[None])]

    assert before == ["refuse_cut", "refuse_malformed_query"]
    # The log is the last one: its line tells what leaves.
    last = [counting_answers.__module__, logging_answers.__module__]
    assert [look_at.__name__ for look_at in after[:-2]] == first
    assert [look_at.__module__ for look_at in after[-2:]] == last


@pytest.mark.parametrize("query", ["name=some", "name=%ff"])
def test_an_answer_bears_the_headers_and_the_id_whoever_gives_it(make_app: Callable[..., Flask], query: str) -> None:
    answer = make_app().test_client().get(f"/livez?{query}", headers={"X-Request-ID": "mine"})

    assert answer.status_code == (400 if "ff" in query else 200)
    assert answer.headers["X-Request-ID"] == "mine"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_no_other_file_puts_anything_around_the_application() -> None:
    elsewhere = {name: found for name, path in files().items() if (found := list(puts_around(path)))}

    assert elsewhere.pop("app.middleware")
    assert elsewhere == {}


def puts_around(path: Path) -> Iterator[str]:
    """Yield what in a file wraps an application or has every request pass through something."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Attribute):
            continue
        # A blueprint's hooks are for its own requests.
        of_all = node.attr in HOOKS and not (isinstance(node.value, ast.Name) and node.value.id == "bp")
        of_all |= node.attr in {hook.replace("_", "_app_", 1) for hook in HOOKS}
        if of_all or (node.attr == "wsgi_app" and isinstance(node.ctx, ast.Store)):
            yield ast.unparse(node)
