"""The page while its database is away, and what a database may hold."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from app.cities.names import fold
from tests.browser.conftest import Site
from tests.browser.test_outage import AWAY, look_until
from tests.browser.visits import PHONE, Visit, assert_accessible, assert_fits

HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def wait(visit: Callable[..., Visit], away: Site) -> Callable[[], Page]:
    """Open a page that finds no database, with a clock that goes on when it is told to."""

    def start() -> Page:
        page = visit(away, allowed=AWAY).page
        page.clock.install(time=0)
        page.clock.pause_at(1_000)
        page.goto("/?city=London")
        return page

    return start


def looks(page: Page) -> list[str]:
    """Return what the page looks for from now on, as it does."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "HEAD" else None)
    return asked


def test_the_page_says_when_to_try_again_and_keeps_what_was_typed(visit: Callable[..., Visit], away: Site) -> None:
    page = visit(away, allowed=AWAY, java_script_enabled=False).page
    page.goto("/?city=London")

    expect(page.get_by_role("heading", level=1)).to_have_text("The database is away")
    expect(page.locator(".notice")).to_contain_text("What you typed is kept.")
    expect(page.locator(".notice")).to_contain_text("Try again in 1 second or later.")
    expect(page.get_by_label("Name of a city")).to_have_value("London")

    away.server.start()
    for _ in range(20):
        if page.get_by_role("heading", level=1).inner_text() != "The database is away":
            break
        page.get_by_role("link", name="Try again").click()

    assert page.get_by_role("heading", level=1).inner_text() == "City “London” is #312"
    assert page.url.endswith("/?city=London")


def test_the_page_looks_less_and_less_often_until_the_database_is_back(
    visit: Callable[..., Visit], away: Site, wait: Callable[[], Page]
) -> None:
    shown = visit(away, allowed=AWAY).page  # axe needs a clock that goes by itself
    shown.goto("/?city=London")
    assert_accessible(shown)
    shown.set_viewport_size(PHONE)
    assert_fits(shown)

    waiting = wait()
    asked = looks(waiting)
    for pause in (2_000, 4_000, 8_000):
        asked.clear()
        waiting.clock.run_for(int(pause * 0.55))
        assert asked == []
        with waiting.expect_response("**/?city=London"):
            waiting.clock.run_for(int(pause * 0.75))
        assert len(asked) == 1
        waiting.wait_for_timeout(100)  # for the next look to be planned

    away.server.start()
    look_until(waiting, waiting.get_by_text("City “London” is #312"))


def test_who_types_is_left_alone_and_a_hidden_page_waits_to_be_seen(away: Site, wait: Callable[[], Page]) -> None:
    typing, hidden = wait(), wait()
    typing.get_by_role("combobox").focus()
    typing.get_by_role("combobox").press_sequentially("x")  # gets no suggestion, and nothing is said about it
    hidden.evaluate(HIDE, True)
    away.server.start()

    look_until(typing, typing.get_by_role("heading", name="Look up a city"))
    expect(typing).to_have_title(re.compile("^Look up a city · "))
    expect(typing.locator(".notice")).to_have_text("Cities can be looked up again. What you have typed is kept.")
    expect(typing.locator(".notice [aria-live]")).to_have_count(1)
    expect(typing.get_by_role("combobox")).to_have_value("xLondon")
    expect(typing.get_by_role("combobox")).to_be_focused()

    asked = looks(hidden)
    hidden.clock.run_for(60_000)
    assert asked == []
    hidden.evaluate(HIDE, False)
    look_until(hidden, hidden.get_by_text("City “London” is #312"))


def test_a_name_from_right_to_left_leaves_what_is_beside_it_alone(
    visit: Callable[..., Visit], stoppable_site: Site
) -> None:
    page = visit(stoppable_site).page
    row = {"id": 9_001, "name": "\u202eיפו", "key": fold("יפו")}
    with stoppable_site.database.connect() as connection:
        connection.execute(text("INSERT INTO city VALUES (:id, :name, :key, 20, now())"), row)

    page.goto("/")
    page.get_by_role("combobox").press_sequentially("יפ")
    page.get_by_role("option").wait_for()

    assert page.locator("[role=option] bdi").all_text_contents() == ["יפו", "Canada"]


def test_markup_in_the_database_is_only_text(visit: Callable[..., Visit], stoppable_site: Site) -> None:
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
