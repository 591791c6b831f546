"""A real browser over a real server: started once for a module, a fresh context for each test."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from provender.catalog.local import LocalCatalog
from provender.core.clock import Clock
from provender.web.app import application
from tests.web.clock import NOW

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
SCREENSHOTS = Path(__file__).resolve().parents[2] / ".data" / "screenshots"
if CHROMIUM is None and os.environ.get("CI") == "true":
    raise RuntimeError("CI must have chromium: python3 tools/chromium.py")
# A machine without a browser, and without the rights to install one, can test all else; CI cannot skip.
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: python3 tools/chromium.py"
)


@contextmanager
def served(url: str, *, actor: str, clock: Clock = lambda: NOW) -> Iterator[str]:
    """Serve the pages of the catalog at ``url`` to ``actor``; gives their address."""
    catalog = LocalCatalog(url, actor=actor, clock=clock)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            application(catalog, clock=clock), log_level="warning", lifespan="off"
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


@contextmanager
def opened() -> Iterator[Any]:
    """Open the browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def listened(page: Any) -> list[str]:
    """Return what ``page`` will complain about: the console, errors, requests that failed."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(_lost(request)))
    return complaints


def worth_hearing(complaints: list[str]) -> list[str]:
    """Return the complaints that are not what the test asked for: an answer that is an error."""
    said = ("404 (Not Found)", "412 (Precondition", "422 (Unprocessable")
    return [text for text in complaints if text and not any(words in text for words in said)]


def _lost(request: Any) -> str:
    """A request that another one replaced, as somebody typed on, is not lost."""
    return "" if "ERR_ABORTED" in str(request.failure) else str(request.url)
