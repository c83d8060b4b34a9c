"""Makes the picture of the dashboard: `./run screenshots`, two and a half minutes. A room may have pictures of its own.

The dashboard is that of two workers on a MariaDB of its own, under some load. The database has been restarted before,
and is away just now.
"""

from __future__ import annotations

import http.client
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize

from config import ROOT
from testkit.fault_servers import Kind, obtain, seeded_database
from testkit.servers import MissingError
from tests.browser.conftest import Site
from tests.browser.visits import Scheme, started_browser
from tests.serve.conftest import borrow_environment, copy_project
from tests.support.asking import LOOKUP

IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000  # bytes; a clone carries every version of them for ever
CLIENTS, CALM_SECONDS, DOWN_SECONDS = 6, 70, 4


def main() -> None:
    """Write pool.png into docs/images/."""
    IMAGES.mkdir(exist_ok=True)
    try:
        with running_site() as site, started_browser() as browser:
            show_dashboard(browser, site, IMAGES / "pool.png")
    except MissingError as error:
        sys.exit(f"./run screenshots: {error}")


@contextmanager
def running_site() -> Iterator[Site]:
    """Yield the application on a MariaDB that may be restarted."""
    server = obtain(Kind.MARIADB)
    try:
        with seeded_database(server) as made, tempfile.TemporaryDirectory() as folder:
            tree = copy_project(Path(folder) / "clone")
            borrow_environment(tree)
            with Site(tree, DATABASE_URL=made.url, WORKERS="2") as site:
                site.server, site.database = server, made
                site.wait()
                try:
                    yield site
                finally:
                    server.repair()
    finally:
        server.remove()


def show_dashboard(browser: Browser, site: Site, target: Path) -> None:
    """Picture the dashboard during an outage, with a restart of the database some time before."""
    with load(site):
        time.sleep(CALM_SECONDS)
        site.server.stop()
        time.sleep(DOWN_SECONDS)
        site.server.start()
        time.sleep(CALM_SECONDS)
        site.server.stop()
        time.sleep(DOWN_SECONDS)
        page = window(browser, site, 1200, 800, "light")
        page.goto("/pool")
        page.wait_for_timeout(1_000)
        save(page, target)


@contextmanager
def load(site: Site) -> Iterator[None]:
    """Ask all the while, with a few clients that pause like people do."""
    stopped = threading.Event()

    def ask() -> None:
        while not stopped.wait(0.02):
            with suppress(OSError, http.client.HTTPException):
                site.get(LOOKUP)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def window(browser: Browser, site: Site, width: int, height: int, scheme: Scheme) -> Page:
    """Return a window of that size in light or dark."""
    size: ViewportSize = {"width": width, "height": height}
    return browser.new_context(base_url=site.url, viewport=size, color_scheme=scheme).new_page()


def save(page: Page, target: Path) -> None:
    """Write what the window shows, and refuse a file that is too large."""
    page.screenshot(path=target, animations="disabled", caret="hide")
    size = target.stat().st_size
    assert size < LARGEST, f"{target} has {size} bytes; {LARGEST} are allowed"
    print(f"{target.relative_to(ROOT)}: {size:,} bytes")


if __name__ == "__main__":
    main()
