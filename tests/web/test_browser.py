"""The pages in a real browser: nothing is refused by the policy, nothing overflows, everything is painted."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from provender.catalog.local import LocalCatalog
from provender.web.app import application
from tests.web.scenario import NOW

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
PAGES = (
    "/",
    "/search?q=late+arrivals+weather",
    "/datasets",
    "/datasets/aviation.flights",
    "/datasets/aviation.flights/versions/2",
    "/features",
    "/features/tail_last",
    "/services/delay_v1",
    "/training-sets",
    "/audit",
    "/datasets/aviation.nothing",
)
if CHROMIUM is None and os.environ.get("CI") == "true":
    raise RuntimeError("CI must have chromium: apt-get install chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def address(scenario_url: str) -> Iterator[str]:
    catalog = LocalCatalog(scenario_url, actor="person:max", clock=lambda: NOW)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            application(catalog, clock=lambda: NOW), log_level="warning", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    catalog.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_every_page_is_painted_without_complaint_or_overflow(address, browser, scheme, width):
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    for path in PAGES:
        page.goto(address + path)
        styled = page.evaluate("getComputedStyle(document.querySelector('.top')).borderBottomWidth")
        assert styled == "1px", path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert len(page.screenshot()) > 5_000, path
    page.close()
    assert [text for text in complaints if "404 (Not Found)" not in text] == []


def test_the_pages_can_be_walked_with_the_keyboard_alone(address, browser):
    page = browser.new_page()
    page.goto(address)
    page.keyboard.type("tail number delay")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=*")
    page.locator("ol.hits a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("h1")
    assert page.evaluate("location.pathname") != "/search"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.close()


def test_a_node_of_the_lineage_is_a_link(address, browser):
    page = browser.new_page()
    page.goto(f"{address}/datasets/aviation.tail_last")
    page.locator("svg.lineage a", has_text="delay_v1").click()
    page.wait_for_url("**/services/delay_v1?project=flights")
    assert page.locator("h1").inner_text() == "delay_v1"
    page.close()
