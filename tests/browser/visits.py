"""A visitor's window: what a page must not do is noted while the visit lasts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, sync_playwright

from testkit.servers import MissingError

Scheme = Literal["light", "dark"]

PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1440, "height": 900}
SCHEMES: list[Scheme] = ["light", "dark"]
NAMES = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"
# Not of a page's making: Chromium notes every answer of 400 and above.
STATUS = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Yield the Chromium of this machine, or raise `MissingError`."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        raise MissingError("install Chromium to have it (on Debian: apt install chromium)")
    with sync_playwright() as playwright:
        # Root in a container has no sandbox; every page here is ours.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


class Visit:
    """One window without a history. `page` is Playwright's; `complaints` is what went wrong on it."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url, self.complaints, self.statuses = url, list[str](), list[int]()
        self._context = browser.new_context(base_url=url, viewport=options.pop("viewport", DESK), **options)
        self._context.set_default_timeout(5_000)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        if found := STATUS.match(message.text):
            self.statuses.append(int(found[1]))
        elif message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:")):
            self.complaints.append(f"from elsewhere: {request.url}")

    def end(self) -> list[str]:
        """Close the window; return what went wrong in it, answers of 500 and above among it."""
        self._context.close()
        return [*self.complaints, *(f"status {status}" for status in self.statuses if status >= 500)]


def assert_accessible(page: Page) -> None:
    """Fail with axe's report unless it finds nothing."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def assert_fits(page: Page) -> None:
    """Fail if the page is wider than its window."""
    width, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width <= room, f"{width} px wide in a window of {room} px"
