"""What the other tests rest on: a window notices what a page must not do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.visits import Visit, assert_accessible, assert_fits
from tests.support.asking import LOOKUP

INLINE = "document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = true' }))"
WRONG = "document.body.append(Object.assign(document.createElement('img'), { src: '/static/icon.svg', width: 3000 }))"


def test_an_inline_script_does_not_run_and_is_noted(visit: Callable[..., Visit]) -> None:
    window = visit(allowed=("Content Security Policy",))
    window.page.goto(LOOKUP)

    window.page.evaluate(INLINE)

    assert window.page.evaluate("window.ran") is None
    assert len(window.complaints) == 1


def test_what_a_script_throws_is_noted(visit: Callable[..., Visit]) -> None:
    window = visit(allowed=("script: broken",))
    window.page.goto(LOOKUP)

    window.page.evaluate("setTimeout(() => { throw new Error('broken'); })")
    window.page.wait_for_timeout(100)

    assert window.complaints == ["script: broken"]


def test_a_picture_too_wide_and_without_words_is_noted(page: Page) -> None:
    page.goto(LOOKUP)
    page.evaluate(WRONG)

    with pytest.raises(AssertionError, match="px wide"):
        assert_fits(page)
    with pytest.raises(AssertionError, match="image-alt"):
        assert_accessible(page)
