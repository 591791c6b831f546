"""One visit in ten steps, as a steward makes it: with scripts, without, with the keyboard alone."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.browsing import listened, needs_chromium, opened, served, worth_hearing
from tests.web.conftest import copied

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def address(filled, tmp_path_factory) -> Iterator[str]:
    with served(copied(filled, tmp_path_factory.mktemp("story")), actor="person:sam") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened() as found:
        yield found


@pytest.mark.parametrize(
    ("script", "name", "typed", "value"),
    [
        (True, "aviation.flights", "fligths", "gold"),
        (False, "aviation.tail_last", "arivals by aircraft", "silver"),
    ],
    ids=["with scripts", "without"],
)
def test_a_steward_finds_trusts_compares_and_mends(address, browser, script, name, typed, value):
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    complaints = listened(page)
    page.goto(address)  # 1 begin
    page.fill("#q", typed)  # 2 search, misspelt
    page.press("#q", "Enter")
    page.wait_for_url("**/search?q=*")
    page.locator("nav.facets a", has_text="dataset").first.click()  # 3 narrow
    page.wait_for_url("**type=dataset*")
    page.locator("ol.hits a.name", has_text=name).first.click()  # 4 open
    page.wait_for_url(f"**/datasets/{name}*")
    assert page.locator(".panel.verified").inner_text().startswith("✓ Verified")
    assert page.locator("#versions .timeline a").count() >= 1  # 5 read the versions
    if name == "aviation.flights":
        page.locator("#versions a", has_text="what changed").first.click()  # 6 compare them
        page.wait_for_url("**/diff?from=1&to=2")
        assert "arr_delay is new" in page.locator("main").inner_text()
        page.locator(".crumbs a", has_text=name).click()
    page.locator(".actions a", has_text="Edit").click()  # 7 mend
    page.wait_for_url("**/edit")
    page.fill("#tags", f"{page.input_value('#tags')}, quality.level={value}")
    page.fill("#reason", f"looked at it: {value}")
    page.locator("button", has_text="Save").click()
    page.wait_for_url(f"**/datasets/{name}")
    assert f"quality.level={value}" in page.locator(".panel.stated").inner_text()
    page.locator(".actions a", has_text="History").click()  # 8 see who said so
    page.wait_for_url("**/history")
    assert f"looked at it: {value}" in page.locator("ol.hits li").first.inner_text()
    page.goto(f"{address}/search?tag=quality.level")  # 9 find it by what was mended
    assert name in page.locator("ol.hits").inner_text()
    page.locator("ol.hits a.name", has_text=name).click()
    page.wait_for_selector("#use")
    line = f'connect().read("{name}@'
    assert line in page.locator("#use").inner_text()  # 10 take it along
    twin = page.locator("footer a", has_text="JSON").get_attribute("href")
    facts = context.request.get(f"{address}{twin}").json()
    assert f"quality.level={value}" in facts["dataset"]["tags"]
    context.close()
    assert worth_hearing(complaints) == []


def test_the_keyboard_alone_is_enough(address, browser):
    page = browser.new_page()
    page.goto(f"{address}/glossary")
    page.keyboard.press("/")
    page.keyboard.type("weather")
    page.wait_for_selector("#suggestions a")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('#suggestions') !== null")
    page.keyboard.press("Escape")
    assert page.locator("#suggestions a").count() == 0
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=weather")
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == first
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/search" not in url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.goto(f"{address}/datasets/aviation.carriers")
    page.keyboard.press("e")
    page.wait_for_url("**/edit")
    page.focus("#reason")
    page.keyboard.type("jek/")  # letters are letters where one writes
    page.keyboard.press("Enter")
    page.wait_for_url("**/datasets/aviation.carriers")
    page.close()


def test_results_come_while_one_types_and_choices_do_not_reload(address, browser):
    page = browser.new_page()
    complaints = listened(page)
    page.goto(f"{address}/search")
    page.evaluate("window.kept = true")
    page.locator("#q").press_sequentially("weath", delay=20)
    page.wait_for_selector("ol.hits a.name:has-text('aviation.weather')")
    page.wait_for_url("**q=weath*")
    page.locator("nav.facets a", has_text="team:flight-ops").click()
    page.wait_for_url("**owner=team*")
    page.wait_for_selector("nav.facets a[aria-current]")
    assert page.locator("ol.hits .kind").all_inner_texts() == ["dataset"]
    assert page.evaluate("window.kept") is True
    page.focus("#q")
    page.keyboard.press("End")
    page.keyboard.type("er", delay=20)
    page.wait_for_url("**q=weather*owner=team*")
    page.go_back()
    page.wait_for_url(lambda url: "owner=" not in url)
    assert page.input_value("#q") in ("weath", "weather")
    page.close()
    assert worth_hearing(complaints) == []


def test_a_line_is_copied_by_a_click(address, browser):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}/datasets/aviation.flights")
    page.locator("#use .copy").first.click()
    page.wait_for_selector("#use .copy:has-text('Copied')")
    copied_line = page.evaluate("navigator.clipboard.readText()")
    assert copied_line.splitlines()[0] == "from provender import connect"
    assert "aviation.flights@2" in copied_line
    context.close()


def test_a_form_that_came_too_late_shows_both_texts(address, browser):
    context = browser.new_context()
    mine, theirs = context.new_page(), context.new_page()
    for page, text in ((mine, "My words."), (theirs, "Their words.")):
        page.goto(f"{address}/datasets/aviation.weather/edit")
        page.fill("#documentation", text)
    for page in (theirs, mine):
        page.locator("button", has_text="Save").click()
    theirs.wait_for_url("**/datasets/aviation.weather")
    mine.wait_for_selector("[role=alert]")
    panels = mine.locator("section[aria-label=Documentation] .panel")
    assert "Their words." in panels.nth(0).inner_text()
    assert "My words." in panels.nth(1).inner_text()
    mine.locator("button", has_text="Save").click()
    mine.wait_for_url("**/datasets/aviation.weather")
    assert "My words." in mine.locator("#documentation").inner_text()
    context.close()
