"""The dashboard in a real browser: alive while its database comes and goes, and readable whatever is missing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.browser.test_accessible import assert_fits_and_is_accessible
from tests.browser.visits import DESK, PHONE, Visit
from tests.support.asking import LOOKUP

READER, TABLE = "#pool-reader [data-breaker]", "details:has(#history-reader)"
OFFLINE = "console: Failed to load resource: net::ERR_INTERNET_DISCONNECTED"
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def dashboard(visit: Callable[..., Visit]) -> Page:
    """The dashboard, with a clock that goes on when it is told to: `clock.run_for`."""
    page = visit(allowed=(OFFLINE,)).page
    page.clock.install()
    page.goto("/pool")
    expect(page.locator("#pulse")).to_have_text("Live, every 2 s.")
    return page


def polls(page: Page) -> list[str]:
    """Return what is asked for from now on, as it comes."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def next_poll(page: Page) -> None:
    with page.expect_response("**/pool"):
        page.clock.run_for(2_000)


def test_orders_are_given_from_the_page_and_it_shows_who_has_obeyed(visit: Callable[..., Visit], site: Site) -> None:
    page = visit().page
    page.goto("/pool")

    page.get_by_label("size").fill("8")  # as the settings have it: others look at this site as well
    page.get_by_role("button", name="Resize").click()
    expect(page.locator("#orders")).to_contain_text("Resize reader to 8 + 0, ordered at")
    page.get_by_role("button", name="Drain").click()

    expect(page.locator("#orders")).to_contain_text("Drain, ordered at")
    expect(page.locator("#orders")).to_have_text(re.compile(r"(.*done by 2 of 2 workers\.\s*){2}"), timeout=15_000)


def test_the_breaker_opens_and_closes_before_ones_eyes(visit: Callable[..., Visit], stoppable_site: Site) -> None:
    page = visit(stoppable_site, viewport=DESK).page
    page.goto("/pool")
    expect(page.locator(READER)).to_have_attribute("data-breaker", "closed")
    page.locator(f"{TABLE} summary").click()
    page.evaluate("window.isTheSame = true")

    stoppable_site.server.stop()
    stoppable_site.get(LOOKUP)
    expect(page.locator(READER)).to_have_attribute("data-breaker", "open", timeout=15_000)
    expect(page.locator(".remark.bad")).to_contain_text("The reader's breaker is open")
    expect(page.locator("#connections")).to_contain_text("None is open.")

    stoppable_site.server.start()
    expect(page.locator(READER)).to_have_attribute("data-breaker", "closed", timeout=15_000)
    stoppable_site.get(LOOKUP)
    expect(page.locator("#connections")).to_contain_text("idle")
    expect(page.locator("#pool-reader rect.open")).not_to_have_count(0, timeout=15_000)
    assert page.evaluate("window.isTheSame")
    expect(page.locator(TABLE)).to_have_attribute("open", "")
    expect(page.locator(f"{TABLE} summary")).to_be_focused()


def test_it_is_accessible_and_fits(visit: Callable[..., Visit], stoppable_site: Site) -> None:
    stoppable_site.get(LOOKUP)  # or there would be no charts
    page = visit(stoppable_site, viewport=PHONE).page
    page.goto("/pool")
    page.locator(f"{TABLE} summary").click()

    assert_fits_and_is_accessible(page)


def test_without_a_script_it_is_a_page_with_tables(visit: Callable[..., Visit], stoppable_site: Site) -> None:
    stoppable_site.get(LOOKUP)
    page = visit(stoppable_site, java_script_enabled=False, viewport=PHONE).page
    page.goto("/pool")

    expect(page.locator("#pulse")).to_contain_text("As it was when this page was loaded")
    expect(page.locator("#workers tbody tr")).to_have_count(2)
    expect(page.locator("#connections")).to_contain_text("idle")
    page.locator(f"{TABLE} summary").click()
    expect(page.locator("#history-reader tbody tr").first).to_be_visible()


def test_it_renews_itself_and_leaves_what_is_selected(dashboard: Page) -> None:
    before = dashboard.locator("#as-of time").get_attribute("datetime")
    dashboard.wait_for_timeout(1_000)
    next_poll(dashboard)
    expect(dashboard.locator("#as-of time")).not_to_have_attribute("datetime", before)

    dashboard.evaluate("getSelection().selectAllChildren(document.querySelector('#workers tbody tr'))")
    next_poll(dashboard)
    expect(dashboard.locator("#pulse")).to_have_text("Held while text is selected.")
    assert dashboard.evaluate("getSelection().toString()") != ""


def test_a_server_without_an_answer_is_said_and_asked_again(dashboard: Page) -> None:
    well = dashboard.locator(".remark.good")
    expect(well).to_be_visible()
    dashboard.context.set_offline(True)
    dashboard.clock.run_for(2_000)
    of = dashboard.locator("#as-of time").text_content()
    expect(dashboard.locator("#pulse")).to_have_text(f"No answer since {of} UTC; still trying.")
    expect(well).to_be_hidden()
    expect(dashboard.locator("#live")).to_have_css("filter", "grayscale(1)")

    dashboard.context.set_offline(False)
    next_poll(dashboard)
    expect(dashboard.locator("#pulse")).to_have_text("Live, every 2 s.")
    expect(well).to_be_visible()
    expect(dashboard.locator("#live")).to_have_css("filter", "none")


def test_who_may_no_longer_look_is_told_and_asks_no_more(dashboard: Page) -> None:
    # As behind a proxy, which without OPS_TOKEN nobody is shown anything through.
    dashboard.set_extra_http_headers({"X-Forwarded-For": "192.0.2.1"})
    next_poll(dashboard)
    expect(dashboard.locator("#pulse")).to_contain_text("Stopped")

    asked = polls(dashboard)
    dashboard.clock.run_for(10_000)
    assert asked == []


def test_a_hidden_tab_asks_nothing_until_it_is_seen(dashboard: Page) -> None:
    asked = polls(dashboard)
    dashboard.evaluate(HIDE, True)
    dashboard.clock.run_for(10_000)
    assert asked == []

    with dashboard.expect_response("**/pool"):
        dashboard.evaluate(HIDE, False)
