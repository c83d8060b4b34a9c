"""Makes the pictures of the README: `./run screenshots`, two and a half minutes.

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
from urllib.parse import quote

from playwright.sync_api import Browser, Page, ViewportSize

from config import ROOT
from testkit.fault_servers import Kind, obtain, seeded_database
from testkit.servers import MissingError
from tests.browser.conftest import Site
from tests.browser.visits import Scheme, started_browser
from tests.cities.sakila import names
from tests.serve.conftest import borrow_environment, copy_project

IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000  # bytes; a clone carries every version of them for ever
CLIENTS, CALM_SECONDS, DOWN_SECONDS = 6, 70, 4


def main() -> None:
    """Write page.png, page-dark.png and pool.png into docs/images/."""
    IMAGES.mkdir(exist_ok=True)
    try:
        with running_site() as site, started_browser() as browser:
            show_page(browser, site, "light", IMAGES / "page.png")
            show_page(browser, site, "dark", IMAGES / "page-dark.png")
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


def show_page(browser: Browser, site: Site, scheme: Scheme, target: Path) -> None:
    """Picture the page with suggestions open and one of them marked."""
    page = window(browser, site, 880, 770, scheme)
    page.goto("/")
    page.get_by_role("combobox").press_sequentially("san")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    save(page, target)


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
    """Look cities up all the while, with a few clients that pause like people do."""
    stopped, known = threading.Event(), names()

    def ask() -> None:
        for number in range(10**9):
            if stopped.wait(0.02):
                return
            with suppress(OSError, http.client.HTTPException):
                site.get(f"/?city={quote(known[number % len(known)])}")

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
