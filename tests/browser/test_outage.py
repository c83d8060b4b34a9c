"""A page while its database is away: it looks again by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from playwright.sync_api import Locator, Page, TimeoutError, expect

from tests.browser.conftest import Site
from tests.browser.visits import Visit
from tests.support.asking import LOOKUP

AWAY = "status 503", "status 504"


def look_until(page: Page, sight: Locator) -> None:
    """Let the page look until this is seen: each worker finds out for itself that the server is back."""
    for _ in range(20):
        page.clock.run_for(61_000)
        with suppress(TimeoutError):
            return sight.wait_for(timeout=250)
    raise AssertionError(page.locator("main").inner_text())


def test_a_page_that_finds_no_database_looks_again_until_it_is_back(visit: Callable[..., Visit], away: Site) -> None:
    page = visit(away, allowed=AWAY).page
    page.clock.install(time=0)
    page.clock.pause_at(1_000)
    page.goto(LOOKUP)
    expect(page.get_by_role("heading", level=1)).to_have_text("The database is away")
    expect(page.locator(".next-try")).to_have_text("This page also looks again by itself.")

    away.server.start()

    look_until(page, page.get_by_role("heading", name="Anna"))
