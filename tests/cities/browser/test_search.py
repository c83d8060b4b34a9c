"""The search: by keyboard, with the pointer, without JavaScript, and with names that nobody has."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from testkit.waiting import eventually
from tests.browser.conftest import Site
from tests.browser.visits import Visit

OPTIONS = "[role=option]"
MARKUP = ['"><img src=x onerror=alert(1)>', "</title><h1>x"]


def type_name(page: Page, name: str) -> None:
    page.get_by_role("combobox").press_sequentially(name)


def active(page: Page) -> str | None:
    """Return what a screen reader is told to read, and hold that it is there and marked."""
    chosen = page.get_by_role("combobox").get_attribute("aria-activedescendant")
    marked = page.locator("[aria-selected=true]")
    if chosen is None:
        assert marked.count() == 0
        return None
    assert marked.get_attribute("id") == chosen
    return marked.inner_text().replace("\n", " ")


def test_search_by_keyboard_alone(page: Page) -> None:
    page.goto("/")
    for _ in range(3):  # past the name of the house and the description of the API
        page.keyboard.press("Tab")
    page.keyboard.type("London")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("City “London” is #312")
    assert page.locator(".results li").all_inner_texts() == [
        "London\n#312\nUnited Kingdom\nOther cities of United Kingdom",
        "London\n#313\nCanada\nOther cities of Canada",
    ]

    page.get_by_role("link", name="Other cities of Canada").press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Canada")
    expect(page.locator(".names")).to_contain_text("Vancouver")


def test_suggestions_are_walked_with_the_arrows_and_chosen_with_enter(page: Page) -> None:
    page.goto("/")
    box = page.get_by_role("combobox", name="Name of a city", expanded=False)
    type_name(page, "lond")
    expect(page.get_by_role("listbox", name="Cities")).to_be_visible()
    expect(page.get_by_role("combobox", expanded=True)).to_be_focused()
    expect(page.get_by_role("status")).to_have_text("2 suggestions. Choose with the arrow keys.")

    walked = [active(page)]
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "Home", "ArrowUp", "ArrowDown", "End"):
        page.keyboard.press(key)
        walked.append(active(page))
    uk, canada = "London United Kingdom", "London Canada"
    assert walked == [None, uk, canada, None, canada, uk, None, uk, canada]

    page.keyboard.press("Enter")

    page.wait_for_url("**/?city=London#city-313")
    expect(page.locator(":target")).to_contain_text("Canada")
    expect(box).to_have_value("London")


def test_escape_closes_the_list_and_keeps_the_name(page: Page) -> None:
    page.goto("/")
    type_name(page, "lond")
    page.locator(OPTIONS).first.wait_for()
    page.keyboard.press("ArrowDown")

    page.keyboard.press("Escape")

    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(page.get_by_role("combobox", expanded=False)).to_have_value("lond")
    assert active(page) is None

    page.keyboard.press("ArrowDown")
    expect(page.locator(OPTIONS)).to_have_count(2)
    page.keyboard.press("Tab")
    expect(page.get_by_role("listbox")).to_be_hidden()


def test_a_suggestion_is_chosen_with_the_pointer(page: Page) -> None:
    page.goto("/")
    type_name(page, "xi´angt")

    page.get_by_role("option", name="Xi´angtan").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("City “Xi´angtan” is #579")


def test_no_suggestion_is_said_and_shows_no_list(page: Page) -> None:
    page.goto("/")
    type_name(page, "qqq")

    expect(page.get_by_role("status")).to_have_text("No suggestions.")
    expect(page.get_by_role("listbox")).to_be_hidden()


def test_a_name_is_asked_for_once_the_typing_pauses(page: Page) -> None:
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    page.goto("/")

    last = re.compile(r"/api/v1/cities\?prefix=london&limit=8$")
    with page.expect_request(last):
        type_name(page, "london")
    page.locator(OPTIONS).first.wait_for()

    assert len(asked) <= 2, asked  # a slow machine may make a pause of its own
    assert last.search(asked[-1])


def test_an_answer_to_what_stood_there_before_is_dropped(page: Page) -> None:
    held: list[Route] = []
    page.route(re.compile("prefix=lo&"), lambda route: held.append(route))
    page.goto("/")
    with page.expect_request(re.compile("prefix=lo&")):
        type_name(page, "lo")

    with page.expect_event("requestfailed") as dropped:
        type_name(page, "j")

    assert "prefix=lo&" in dropped.value.url
    expect(page.locator(OPTIONS)).to_have_text("Loja Ecuador")


def test_the_browser_asks_whether_its_copy_is_still_right(page: Page, site: Site) -> None:
    def answers() -> list[int]:
        return [line["status"] for line in site.events("request") if line["path"] == "/api/v1/cities"]

    page.goto("/")
    type_name(page, "vancouve")
    expect(page.locator(OPTIONS)).to_have_count(1)
    before = len(answers())

    page.get_by_role("combobox").clear()
    expect(page.locator(OPTIONS)).to_have_count(0)
    type_name(page, "vancouve")
    expect(page.locator(OPTIONS)).to_have_count(1)

    assert eventually(lambda: len(answers()) > before)
    assert answers()[-1] == 304


def test_without_a_network_the_page_stays_calm(visit: Callable[..., Visit]) -> None:
    window = visit(allowed=("ERR_INTERNET_DISCONNECTED",))
    page = window.page
    page.goto("/")
    page.context.set_offline(True)

    with page.expect_event("requestfailed"):
        type_name(page, "lon")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.context.set_offline(False)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("City “lon” not found")


def test_without_javascript_all_but_the_suggestions_is_there(visit: Callable[..., Visit]) -> None:
    page = visit(java_script_enabled=False).page
    page.goto("/")

    page.get_by_label("Name of a city").fill("lundon")
    page.get_by_role("button", name="Look up").click()
    assert page.get_by_role("heading", level=1).inner_text() == "City “lundon” not found"
    expect(page.get_by_label("Name of a city")).to_have_value("lundon")
    assert page.get_by_role("listbox").count() == 0

    page.get_by_role("link", name="London").click()
    page.get_by_role("link", name="Other cities of Canada").click()
    page.get_by_role("link", name="Vancouver").click()
    assert page.get_by_role("heading", level=1).inner_text() == "City “Vancouver” is #565"


@pytest.mark.parametrize("name", MARKUP)
def test_markup_in_a_name_is_only_text(page: Page, name: str) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"the page ran {name}: {dialog.message}"))
    page.goto("/")
    type_name(page, name)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text(f"City “{name}” not found")
    expect(page.get_by_role("combobox")).to_have_value(name)
    assert page.title().startswith(f"City “\u2068{name}\u2069” not found · ")
    assert page.locator("main img, main script").count() == 0
