"""Copies of the project to start for real, each in a folder of its own."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from config import ROOT
from testkit import databases, servers
from testkit.databases import Database
from testkit.leaving_out import leave_out
from tests.serve.serving import Serving

PARTS = [
    "run",
    "app",
    "serving",
    "settings",
    "steadypool",
    "migrations",
    "config.py",
    "wsgi.py",
    "gunicorn.conf.py",
    "pyproject.toml",
    "tools",
]


def copy_project(target: Path) -> Path:
    """Copy what ./run serve needs, without environment and database, and the address of tests/support/asking.py."""
    target.mkdir()
    for part in [*PARTS, *(path.name for path in ROOT.glob("requirements*"))]:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / part)
    shutil.copy2(ROOT / "tests" / "support" / "asking.py", target)
    with (target / "wsgi.py").open("a") as file:
        file.write("\nimport asking\n\napp.register_blueprint(asking.bp)\n")
    return target


def borrow_environment(tree: Path) -> None:
    """Give the copy an environment of its own whose packages are those that run the tests."""
    (tree / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (tree / ".venv" / part).symlink_to(ROOT / ".venv" / part)
    for lock in tree.glob("requirements*.txt"):
        shutil.copy(lock, tree / ".venv" / f".installed-{lock.name}")


@pytest.fixture
def bare_tree(tmp_path: Path) -> Path:
    """A fresh clone: neither environment nor database."""
    return copy_project(tmp_path / "clone")


@pytest.fixture
def tree(bare_tree: Path) -> Path:
    """A clone whose packages are installed."""
    borrow_environment(bare_tree)
    return bare_tree


@pytest.fixture(scope="session")
def served_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that has served once, with its seeded database; tests serve it again but change nothing in it."""
    tree = copy_project(tmp_path_factory.mktemp("served") / "clone")
    borrow_environment(tree)
    with Serving(tree) as server:
        server.wait()
        server.stop()  # copies are made of its database
    return tree


@pytest.fixture
def ready_tree(served_before: Path, tmp_path: Path) -> Path:
    """A clone of a test's own that has served once: nothing needs to be made or compiled any more."""
    return Path(shutil.copytree(served_before, tmp_path / "clone", symlinks=True))


@pytest.fixture(scope="module")
def extended(request: pytest.FixtureRequest, served_before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a clone for the tests of a file, whose MORE is added to wsgi.py."""
    tree = Path(shutil.copytree(served_before, tmp_path_factory.mktemp("extended") / "clone", symlinks=True))
    with (tree / "wsgi.py").open("a") as file:
        file.write(request.module.MORE)
    return tree


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[..., Serving]]:
    """Start ./run serve in a clone and wait for its first answer; after the test it is ended.

    In order where its goodbyes are counted, else at once.
    """
    running: list[Serving] = []

    def start(tree: Path, *arguments: str, **environ: str) -> Serving:
        running.append(Serving(tree, *arguments, **environ))
        running[-1].wait()
        return running[-1]

    yield start
    for server in running:
        server.stop() if "goodbyes" in request.fixturenames else server.kill()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Database]:
    """A database without a table on a server of our own: Aborted_clients is one number for the whole server."""
    try:
        server = servers.obtain("mariadb")
    except servers.MissingError as error:
        leave_out("mariadb", error)
    try:
        with databases.new_database(server) as made:
            yield made
    finally:
        server.stop()


@pytest.fixture
def goodbyes(mariadb: Database) -> Iterator[None]:
    """Fail the test if a connection to the server ended without a goodbye."""
    wait_until_alone(mariadb)
    before = status(mariadb, "Aborted_clients")
    yield
    wait_until_alone(mariadb)
    assert status(mariadb, "Aborted_clients") == before


def status(database: Database, name: str) -> int:
    with databases.plain_engine(database.admin_url).connect() as connection:
        return int(connection.execute(sa.text(f"SHOW GLOBAL STATUS LIKE '{name}'")).one()[1])


def wait_until_alone(database: Database) -> None:
    """Return once the connection that asks is the server's only one."""
    end = time.monotonic() + 10
    while (connected := status(database, "Threads_connected")) > 1:
        assert time.monotonic() < end, f"{connected} connections are still open"
        time.sleep(0.05)
