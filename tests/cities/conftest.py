"""The application on a database of each kind that may be written to; the fixtures of tests/serve/ and of doctor."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from testkit.databases import Database, migrate_and_seed, new_database
from testkit.servers import Server
from tests.cities.client import TOKEN, Api
from tests.serve.conftest import bare_tree, serve, tree
from tests.support.doctor import doctor, migrated, mysql_like, postgresql, served

__all__ = ["bare_tree", "doctor", "migrated", "mysql_like", "postgresql", "serve", "served", "tree"]


@pytest.fixture(scope="session")
def writable(server: Server) -> Iterator[Database]:
    """A migrated and seeded database that only tests of writing change, each its own cities."""
    with new_database(server) as made:
        migrate_and_seed(made.url)
        yield made


@pytest.fixture(scope="module")
def writing_app(writable: Database, make_lasting_app: Callable[..., Flask]) -> Flask:
    return make_lasting_app(DATABASE_URL=writable.url, API_TOKEN=TOKEN, ACCESS_LOG="off")


@pytest.fixture
def api(writing_app: Flask) -> Api:
    return Api(writing_app)
