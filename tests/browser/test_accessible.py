"""Every page, in light and dark, on a phone and at a desk: nothing too wide, and nothing that axe finds."""

from __future__ import annotations

import pytest

from tests.browser.visits import DESK, PHONE, SCHEMES, assert_accessible, assert_fits

PAGES = ["/", "/?city=London", "/?city=Lundon", "/countries/102", "/docs", "/nowhere"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_and_nothing_is_too_wide(visit, scheme):
    page = visit(color_scheme=scheme).page

    for address in PAGES:
        for viewport in (PHONE, DESK):
            page.set_viewport_size(viewport)
            page.goto(address)
            assert_fits(page)
        assert_accessible(page)
