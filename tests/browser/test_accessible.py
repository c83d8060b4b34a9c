"""Every page, in light and dark, on a phone and at a desk: nothing too wide, and nothing that axe finds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visits import DESK, PHONE, SCHEMES, Visit, assert_accessible, assert_fits
from tests.support.asking import LOOKUP

PAGES = [LOOKUP, "/docs", "/nowhere"]
GROUND = {"light": "rgb(247, 245, 240)", "dark": "rgb(20, 24, 26)"}


@pytest.mark.parametrize("address", PAGES)
def test_pages(visit: Callable[..., Visit], address: str) -> None:
    page = visit(viewport=PHONE).page
    page.goto(address)
    assert_fits_and_is_accessible(page)


def assert_fits_and_is_accessible(page: Page) -> None:
    assert_fits(page)

    page.set_viewport_size(DESK)
    assert_fits(page)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("html")).to_have_css("background-color", GROUND[scheme])
        assert_accessible(page)
