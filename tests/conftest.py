"""What every test may ask for: servers, databases, the application on each of them."""

from __future__ import annotations

import atexit
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import enumerate as enumerate_threads
from typing import TYPE_CHECKING, NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support import databases, servers
from tests.support.databases import Database
from tests.support.servers import MissingError, Server
from tests.support.waiting import eventually

STARTING = ("browser", "clone", "deploy", "docker", "serve")
"""Folders whose tests start whole programs and mostly wait for them."""

COMMANDS = re.compile(
    r"tests/api/test_(commands|doctor|foreign|load|migrations|narrow|passwords|seed)|tests/faults/test_(galera|group)"
)
"""So do these files: commands, and clusters in containers."""

REQUIRE_ALL = os.environ.get("REQUIRE_ALL", "") not in ("", "0")


class Fleet:
    """The servers of this session: each is started once, in the background, and stopped at the end."""

    def __init__(self) -> None:
        # The threads live as long as the session: the kernel ends a server with the *thread* that started it.
        self._threads = ThreadPoolExecutor(len(servers.NAMES), "server")
        self._servers: dict[str, Future[Server]] = {}
        atexit.register(self.stop)

    def begin(self, name: str) -> None:
        if name not in self._servers:
            self._servers[name] = self._threads.submit(servers.obtain, name)

    def get(self, name: str) -> Server:
        self.begin(name)
        return self._servers[name].result()

    def wait(self) -> None:
        """Return when each has started or failed.

        Around every test pytest puts a name into os.environ and takes it out, and Docker's client, in another thread,
        reads the whole of it: now and then it met a name that was there no more.
        """
        wait(self._servers.values())

    def stop(self) -> None:
        # Popped one by one: a second call (at exit, after Ctrl-C in the first) goes on where the first was stopped.
        while self._servers:
            _, server = self._servers.popitem()
            if not server.cancel() and not server.exception():
                server.result().stop()
        self._threads.shutdown()


if TYPE_CHECKING:
    from config import Settings

fleet = pytest.StashKey[Fleet]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[fleet] = Fleet()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="all cases of the long matrices, too (ten minutes more)")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the faults, which watch the clock, come last: by then the other worker, if there is one, has finished.

    Of a test that is marked `short_form("a", "b")` only the cases a and b are run, unless all are asked for.
    """
    items.sort(key=lambda item: folder_of(item.nodeid) == "faults")
    left_out = [] if config.option.long else [item for item in items if not is_in_the_short_form(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def is_in_the_short_form(item: pytest.Item) -> bool:
    short = item.get_closest_marker("short_form")
    return short is None or not set(short.args).isdisjoint(re.split(r"[\[\]-]", item.name))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Deal the tests out to two workers: one has those that start programs, the other the rest."""
    return TwoShares(config, log)


class TwoShares(LoadScopeScheduling):
    """In xdist 3.8 the mark `xdist_group`, which is made for this, does nothing under pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return "starting" if folder_of(nodeid) in STARTING or COMMANDS.match(nodeid) else "asking"


def folder_of(nodeid: str) -> str:
    return nodeid.split("/")[1]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the chosen tests need, all at once, before the first of them runs."""
    if session.config.option.collectonly:
        return
    for name in servers.NAMES:
        if any(getattr(item, "callspec", None) and name in item.callspec.params.values() for item in session.items):
            session.config.stash[fleet].begin(name)
    session.config.stash[fleet].wait()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[fleet].stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn every skip into a failure where all is required, whoever skipped."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        report.outcome, report.longrepr = "failed", f"REQUIRE_ALL forbids this skip: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was left out, each reason once; it tells how to get it."""
    skipped = Counter(report.longrepr[2] for report in terminalreporter.getreports("skipped"))
    if not skipped:
        return
    terminalreporter.section(f"LEFT OUT: {skipped.total()} TESTS", sep="!", red=True, bold=True)
    for reason, count in skipped.items():
        terminalreporter.write_line(f"{count} tests: {reason.removeprefix('Skipped: ')}")
    terminalreporter.write_line("REQUIRE_ALL=1 makes this an error.")


@pytest.fixture(scope="session", params=servers.NAMES)
def server(request: pytest.FixtureRequest) -> Server:
    """Each kind of database server in turn."""
    return obtain_or_skip(request.config, request.param)


def obtain_or_skip(config: pytest.Config, name: str) -> Server:
    try:
        return config.stash[fleet].get(name)
    except MissingError as error:
        leave_out(name, error)


def leave_out(name: str, error: MissingError) -> NoReturn:
    """Skip a test whose server cannot be had here, or fail it where all is required."""
    if REQUIRE_ALL:
        pytest.fail(f"{name} is required (REQUIRE_ALL) but {error}", pytrace=False)
    pytest.skip(f"{name}: {error}")


@pytest.fixture(scope="session")
def database(server: Server) -> Iterator[Database]:
    """A migrated and seeded database, shared by the tests that only read."""
    with databases.new_database(server) as made:
        databases.migrate_and_seed(made.url)
        yield made


@pytest.fixture
def empty_database(server: Server) -> Iterator[Database]:
    """A database without a table, for this test alone."""
    with databases.new_database(server) as made:
        yield made


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., Settings]:
    """Return settings from these values alone, as if they were the whole environment."""
    from config import load_settings

    return lambda **environ: load_settings({name: str(value) for name, value in environ.items()})


@pytest.fixture
def make_app(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Return an application with these settings; at the end of the test it stops looking for its database."""
    with applications(make_settings) as make:
        yield make


@pytest.fixture(scope="module")
def make_lasting_app(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Do the same for fixtures that all tests of a file share."""
    with applications(make_settings) as make:
        yield make


@pytest.fixture(scope="module", autouse=True)
def nobody_goes_on_probing() -> Iterator[None]:
    """A pool that still looked for its database would be in the way of later tests, which count threads and time."""
    yield
    assert eventually(lambda: not [thread for thread in enumerate_threads() if thread.name == "database-probe"], 5)


@contextmanager
def applications(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Make applications that all end with the block."""
    from app import create_app

    made: list[Flask] = []

    def make(**environ: str) -> Flask:
        made.append(create_app(make_settings(**environ)))
        return made[-1]

    yield make
    for app in made:
        dispose(app)


def dispose(app: Flask) -> None:
    """Close every connection of an application, as the end of its process would."""
    from app.extensions import db

    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture(scope="session")
def app(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """The application on each database in turn. For reading: others use the same data."""
    with applications(make_settings) as make:
        yield make(DATABASE_URL=database.url)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Have Ctrl-C heard: a shell that starts the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
