"""Makes the pictures of the page in the README: the last part of `./run screenshots`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser

from testkit.servers import MissingError
from tests.browser.conftest import Site
from tests.browser.screenshots import IMAGES, running_site, save, window
from tests.browser.visits import Scheme, started_browser


def main() -> None:
    """Write page.png and page-dark.png into docs/images/."""
    try:
        with running_site() as site, started_browser() as browser:
            show_page(browser, site, "light", IMAGES / "page.png")
            show_page(browser, site, "dark", IMAGES / "page-dark.png")
    except MissingError as error:
        sys.exit(f"./run screenshots: {error}")


def show_page(browser: Browser, site: Site, scheme: Scheme, target: Path) -> None:
    """Picture the page with suggestions open and one of them marked."""
    page = window(browser, site, 880, 770, scheme)
    page.goto("/")
    page.get_by_role("combobox").press_sequentially("san")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    save(page, target)


if __name__ == "__main__":
    main()
