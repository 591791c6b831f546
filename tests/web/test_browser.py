"""The pages in a real browser: painted whole in both themes, small, and open to everybody."""

from collections.abc import Iterator
from typing import Any

import pytest

from provender.catalog.local import LocalCatalog
from tests.stress import STRESSED
from tests.web.browsing import SCREENSHOTS, listened, needs_chromium, opened, served, worth_hearing
from tests.web.clock import NOW
from tests.web.conftest import copied
from tests.web.declared import training_manifest
from tests.web.scenario import asks, widest
from tests.web.test_policy_pages import NOBODY, PLATES

PAGES = {
    "home": "/",
    "search": "/search?q=late+arrivals+weather",
    "search-why": "/search?q=weather&explain=1",
    "search-nothing": "/search?q=xyzzyqqq+plugh",
    "datasets": "/datasets",
    "dataset": "/datasets/aviation.flights",
    "dataset-relation": "/datasets/aviation.weather",
    "dataset-empty": "/datasets/aviation.unpublished",
    "contract": "/datasets/aviation.flights/contract",
    "column": "/datasets/aviation.weather/column?name=humid",
    "version": "/datasets/aviation.flights/versions/1",
    "versions": "/datasets/aviation.flights/versions",
    "diff": "/datasets/aviation.flights/diff?from=1&to=2",
    "edit": "/datasets/aviation.flights/edit",
    "history": "/datasets/aviation.flights/history",
    "features": "/features",
    "project": "/projects/flights",
    "view": "/features/tail_last",
    "on-demand": "/features/departure",
    "service": "/services/delay_v1",
    "entity": "/entities/origin",
    "saved-dataset": "/saved-datasets/late_2013",
    "training-sets": "/training-sets",
    "training-set": "/training-sets/{training_set}",
    "models": "/models",
    "model": "/models/delay-model",
    "lineage": "/lineage?node=dataset%3Aaviation.tail_last",
    "inbox": "/inbox",
    "requests": "/requests",
    "policy": "/policy",
    "policy-held": "/policy?enforce=nobody",
    "access": "/datasets/aviation.flights/access",
    "access-online": "/datasets/aviation.flights/access?action=serve",
    "request": "/requests/r1",
    "request-new": "/requests/new?about=dataset:aviation.flights&columns=tailnum&purpose=reporting",
    "why": "/datasets/aviation.flights/why?columns=tailnum&columns=carrier&purpose=serving",
    "tags": "/tags",
    "tag": "/tags/quality.level",
    "glossary": "/glossary",
    "term": "/glossary/late%20arrival",
    "person": "/people/person:sam",
    "audit": "/audit",
    "error": "/datasets/aviation.nothing",
}
RULES = {"light": {}, "dark": {"runOnly": ["color-contrast", "link-in-text-block"]}}
"""The rules of axe by theme: those that depend on colours are asked twice."""
VIOLATIONS = "rules => axe.run(document, rules).then(found => found.violations)"
MOST_BYTES = 100_000
HINTS = """() => [...document.querySelectorAll('.drawing')].map(drawing => [
    drawing.scrollWidth > drawing.clientWidth,
    drawing.parentElement.querySelector('.sideways').checkVisibility(),
])"""
"""Whether each drawing is wider than its place, and whether it says so."""
TRAINING_SET = training_manifest("aviation.weather@1", "aviation.tail_last@1", by="person:ana").id
CUT = """() => [...document.querySelectorAll('.scroll:not(.drawing)')]
    .filter(table => table.scrollWidth - table.clientWidth > 12)
    .map(table => table.getAttribute('aria-label'))"""
"""Tables that lose more than the space at their end."""
WIDEST = (
    "/datasets/aviation.carriers",
    "/datasets/aviation.carriers?columns=181",
    "/datasets/aviation.carriers/edit",
    "/datasets/aviation.carriers/versions",
    "/datasets/aviation.carriers/versions/50",
    "/datasets/aviation.carriers/diff?from=1&to=50",
    "/datasets/aviation.carriers/column?name=measure_001",
)
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def address(filled, tmp_path_factory) -> Iterator[str]:
    url = copied(filled, tmp_path_factory.mktemp("painted"))
    with LocalCatalog(url, actor="person:lee", clock=lambda: NOW) as catalog:
        for rule in (PLATES, NOBODY):
            catalog.desk.declare(rule)
    with LocalCatalog(url, actor="person:sam", clock=lambda: NOW) as catalog:
        widest(catalog)
    with LocalCatalog(url, actor="person:max", clock=lambda: NOW) as catalog:
        asks(catalog)
    with served(url, actor="person:sam") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened() as found:
        yield found


def test_every_page_is_painted_without_complaint_and_open_to_everybody(address, browser):
    """Axe finds no violation of WCAG in both themes; the pictures are kept for people to look at.

    Those in the dark and as on a telephone are taken under STRESS: to paint whole pages takes long.
    """
    from axe_playwright_python.sync_playwright import Axe

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    context = browser.new_context()
    page = context.new_page()
    axe, complaints, violations = Axe().axe_script, listened(page), []
    for name, path in PAGES.items():
        page.set_viewport_size({"width": 1280, "height": 800})
        answer = page.goto(address + path.format(training_set=TRAINING_SET))
        assert answer.status == (404 if name == "error" else 200), path
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, path
        assert page.evaluate(CUT) == [], path
        assert all(wider == told for wider, told in page.evaluate(HINTS)), path
        page.evaluate(axe)
        for theme, rules in RULES.items():
            page.emulate_media(color_scheme=theme)
            if theme == "light" or STRESSED:
                kept = page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png", full_page=True)
                assert len(kept) > 5_000, path
            found = page.evaluate(VIOLATIONS, rules | {"resultTypes": ["violations"]})
            violations += [(path, one["id"], one["nodes"][0]["html"]) for one in found]
        fits_a_telephone(page, name)
    context.close()
    assert violations == []
    assert worth_hearing(complaints) == []


def fits_a_telephone(page: Any, name: str) -> None:
    """Nothing of the page that is open is out of reach on a narrow screen."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 800})
    if STRESSED:
        page.screenshot(path=SCREENSHOTS / f"{name}-390.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    assert all(wider == told for wider, told in page.evaluate(HINTS)), name
    ends = [link.bounding_box() for link in page.locator(".top nav a").all()]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in ends), name


def test_the_largest_page_weighs_less_than_a_picture_with_all_it_loads(address, browser):
    """200 columns, 50 versions: the page, its style, its scripts and drawings, uncompressed."""
    for path in WIDEST:
        context = browser.new_context()
        page, answers = context.new_page(), []
        page.on("response", lambda answer, answers=answers: answers.append(answer))
        page.goto(address + path)
        sizes = [len(answer.body()) for answer in answers]
        context.close()
        assert len(sizes) >= 4, path
        assert sum(sizes) < MOST_BYTES, (path, sizes)


@pytest.mark.parametrize("width", [390, 620, 800, 1100, 1280, 1600])
def test_a_drawing_that_is_wider_than_the_page_says_so(address, browser, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    for node in (
        "dataset:aviation.tail_last",
        "dataset:aviation.flights",
        "feature-service:flights/delay_v1",
    ):
        page.goto(f"{address}/lineage?node={node}")
        found = page.evaluate(HINTS)
        assert found, node
        assert all(wider == told for wider, told in found), (node, found)
        focus = page.locator(".drawing .focus").bounding_box()
        assert 0 <= focus["x"] <= focus["x"] + focus["width"] <= width, (node, focus)
    context.close()


def test_a_node_of_the_lineage_is_a_link(address, browser):
    page = browser.new_page()
    page.goto(f"{address}/datasets/aviation.tail_last")
    page.locator("svg.lineage a", has_text="delay_v1").click()
    page.wait_for_url("**/services/delay_v1?project=flights")
    assert page.locator("h1").inner_text() == "delay_v1"
    page.close()
