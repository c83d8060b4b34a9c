"""One browser and one server for all of these tests, and a second one whose database may be stopped.

Of the package and not of the session: while Playwright runs, no other test of this process could use asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from testkit.databases import Database
from testkit.fault_servers import FaultServer, Kind, obtain, seeded_database
from testkit.leaving_out import leave_out
from testkit.servers import MissingError
from tests.browser.visits import Visit, started_browser
from tests.serve.conftest import borrow_environment, copy_project
from tests.serve.serving import Serving


class Site(Serving):
    """A running `./run serve`; `server` is that of its `database` where it may be stopped and started."""

    server: FaultServer
    database: Database

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="package")
def start_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Start ./run serve with these settings in a clone and wait for its first answer."""
    tree = copy_project(tmp_path_factory.mktemp("browser") / "clone")
    borrow_environment(tree)
    with ExitStack() as running:

        def start(**environ: str) -> Site:
            site = running.enter_context(Site(tree, **{"WORKERS": "2", "THREADS": "8", **environ}))
            site.wait()
            return site

        yield start


@pytest.fixture(scope="package")
def site(start_site: Callable[..., Site]) -> Site:
    """The application on SQLite, as a newcomer starts it; for reading."""
    return start_site()


@pytest.fixture(scope="package")
def stoppable_site(start_site: Callable[..., Site]) -> Iterator[Site]:
    """The application on a PostgreSQL of its own: `stoppable_site.server.control` stops and starts it."""
    try:
        server = obtain(Kind.POSTGRESQL)
    except MissingError as error:
        leave_out("postgresql", error)
    with seeded_database(server) as made:
        site = start_site(DATABASE_URL=made.url)
        site.server, site.database = server, made
        yield site
        site.kill()
    server.remove()


@pytest.fixture
def away(stoppable_site: Site) -> Iterator[Site]:
    """The site without its database, which is back after the test."""
    stoppable_site.server.stop()
    yield stoppable_site
    stoppable_site.server.repair()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    try:
        with started_browser() as started:
            yield started
    except MissingError as error:
        leave_out("chromium", error)


@pytest.fixture
def visit(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open a window on the site, or on `at=`; options go to Playwright.

    What a page did wrong fails the test, unless it has one of the `allowed` words in it.
    """
    with ExitStack() as complaints:

        def start(at: Site | None = None, *, allowed: tuple[str, ...] = (), **options: Any) -> Visit:
            begun = Visit(browser, (at or request.getfixturevalue("site")).url, **options)

            def end() -> None:
                found = [wrong for wrong in begun.end() if not any(words in wrong for words in allowed)]
                assert found == [], found

            complaints.callback(end)
            return begun

        yield start


@pytest.fixture
def page(visit: Callable[..., Visit]) -> Page:
    """A window on the site, at a desk, in light."""
    return visit().page
