"""Every page of cities, in light and dark, on a phone and at a desk: nothing too wide, and nothing that axe finds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.test_accessible import assert_fits_and_is_accessible
from tests.browser.visits import PHONE, SCHEMES, Visit, assert_accessible, assert_fits


@pytest.mark.parametrize("address", ["/", "/?city=London", "/?city=Lundon", f"/?city={'w' * 50}", "/countries/23"])
def test_pages(visit: Callable[..., Visit], address: str) -> None:
    page = visit(viewport=PHONE).page
    page.goto(address)
    assert_fits_and_is_accessible(page)


def test_suggestions(visit: Callable[..., Visit]) -> None:
    page = visit(viewport=PHONE).page
    page.goto("/")
    page.get_by_role("combobox").press_sequentially("san")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")

    assert_fits(page)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert_accessible(page)
