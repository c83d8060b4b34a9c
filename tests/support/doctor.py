"""What the tests of doctor share: databases to which something may be done, and doctor's answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask

from testkit.databases import Database, migrate_and_seed, new_database
from tests.conftest import dispose, obtain_or_skip

BAD = ("warning", "problem")


@pytest.fixture(scope="session")
def migrated(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Database]]:
    """Return the migrated database on the server of that name, to which tests may do things that they undo."""
    made: dict[str, Database] = {}
    with ExitStack() as stack:

        def on(name: str) -> Database:
            if name not in made:
                made[name] = stack.enter_context(new_database(obtain_or_skip(request.config, name)))
                migrate_and_seed(made[name].url)
            return made[name]

        yield on


@pytest.fixture(params=["mariadb", "mariadb118", "mysql", "postgresql"])
def served(request: pytest.FixtureRequest, migrated: Callable[[str], Database]) -> Database:
    return migrated(request.param)


@pytest.fixture(params=["mariadb", "mariadb118", "mysql"])
def mysql_like(request: pytest.FixtureRequest, migrated: Callable[[str], Database]) -> Database:
    return migrated(request.param)


@pytest.fixture(params=["postgresql"])
def postgresql(request: pytest.FixtureRequest, migrated: Callable[[str], Database]) -> Database:
    return migrated(request.param)


@pytest.fixture
def doctor(make_app: Callable[..., Flask]) -> Callable[..., dict[str, Any]]:
    """Return doctor's lines for these settings by name, and the exit code as "exit"."""

    def ask(url: str, **environ: str) -> dict[str, Any]:
        app = make_app(DATABASE_URL=url, **{"WORKERS": "1", **environ})
        done = app.test_cli_runner().invoke(args=["doctor", "--json"])
        dispose(app)
        document = json.loads(done.stdout)
        lines = {check["name"]: check for check in document["checks"]}
        assert [name for name, line in lines.items() if line["level"] in BAD and not line["remedy"]] == []
        return {**lines, "exit": done.exit_code, "shown": done.output}

    return ask
