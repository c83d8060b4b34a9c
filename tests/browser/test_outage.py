"""The page while its database is away, and what a database may hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from app.cities.names import fold
from tests.browser.conftest import Site
from tests.browser.visits import PHONE, assert_accessible, assert_fits
from tests.support.servers import wait_until_it_answers

AWAY = "status 503", "status 504"


@pytest.fixture
def away(stoppable_site: Site) -> Iterator[Site]:
    """The site without its database, which is back after the test."""
    control = stoppable_site.server.control
    control.shut_down()
    yield stoppable_site
    if not control.is_running():
        bring_back(stoppable_site)


def bring_back(site: Site) -> None:
    site.server.control.start()
    assert wait_until_it_answers(site.server.server.url, site.server.control.is_running)


def test_the_page_says_when_to_try_again_and_looks_by_itself(visit, away):
    page, busy = (visit(away, allowed=AWAY).page for _ in range(2))
    page.goto("/?city=London")
    busy.goto("/?city=Lima")

    expect(page.get_by_role("heading", level=1)).to_have_text("The database is away")
    expect(page.locator(".notice")).to_contain_text("What you typed is kept.")
    expect(page.locator(".notice")).to_contain_text("Try again in 1 second or later.")
    expect(page.get_by_role("combobox")).to_have_value("London")
    assert_accessible(page)
    page.set_viewport_size(PHONE)
    assert_fits(page)
    busy.get_by_role("combobox").press_sequentially("a")  # gets no suggestion, and says nothing about it

    bring_back(away)

    expect(page.get_by_role("heading", level=1)).to_have_text("City “London” is #312", timeout=15_000)
    expect(busy.locator(".next-try")).to_have_text("The database is back.", timeout=15_000)
    expect(busy.get_by_role("combobox")).to_have_value("aLima")
    # Each waits 1.5 s at the least, and twice as long each time.
    looks = [line for line in away.events("request") if line["method"] == "HEAD"]
    assert 2 <= len(looks) <= 8


def test_without_javascript_trying_again_is_a_link(visit, away):
    page = visit(away, allowed=AWAY, java_script_enabled=False).page
    page.goto("/?city=London")
    assert page.get_by_role("heading", level=1).inner_text() == "The database is away"

    bring_back(away)

    for _ in range(20):
        if page.get_by_role("heading", level=1).inner_text() != "The database is away":
            break
        page.get_by_role("link", name="Try again").click()
    assert page.get_by_role("heading", level=1).inner_text() == "City “London” is #312"
    assert page.url.endswith("/?city=London")


def test_markup_in_the_database_is_only_text(visit, stoppable_site):
    page = visit(stoppable_site).page
    name = "<img src=x onerror=alert(1)>"
    row = {"id": 9_000, "name": name, "key": fold(name)}
    with stoppable_site.database.connect() as connection:
        connection.execute(text("INSERT INTO city VALUES (:id, :name, :key, 20, now())"), row)
    page.on("dialog", lambda dialog: pytest.fail(f"the page ran markup: {dialog.message}"))

    page.goto("/")
    page.get_by_role("combobox").press_sequentially("<im")
    expect(page.get_by_role("option")).to_have_text(f"{name} Canada")
    page.get_by_role("option").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(f"City “{name}” is #9000")
    page.get_by_role("link", name="Other cities of Canada").click()
    expect(page.get_by_role("link", name=name)).to_be_visible()
    assert page.locator("main img").count() == 0
