import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from provender.asgi import app
from provender.settings import Settings
from provender.web.app import PAGES
from tests.web.conftest import ask

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("listens_on", "asked_as", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8400", 200),
        ("127.0.0.1", "evil.example", 421),
        ("0.0.0.0", "localhost", 200),
        ("0.0.0.0", "catalog.example", 421),
    ],
)
def test_the_pages_stand_on_the_catalog_of_the_settings(tmp_path, listens_on, asked_as, status):
    pages = app(
        Settings(home=tmp_path / "state", public_url="http://localhost:8400"), host=listens_on
    )
    assert ask(pages, "/datasets.json", headers={"host": asked_as}).status_code == status
    assert (tmp_path / "state/catalog.db").exists()


def test_every_page_is_documented_and_no_other():
    text = (ROOT / "docs/reference/pages.md").read_text()
    assert re.findall(r"^\| `(/[^`]*)`", text, re.MULTILINE) == [path for path, _ in PAGES]


def test_the_server_answers_and_stops_when_told(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = (
        "from pathlib import Path; from provender.asgi import run; "
        "from provender.settings import Settings; "
        f"run(Settings(home=Path({str(tmp_path / 'state')!r})), host='127.0.0.1', port={port})"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    server = subprocess.Popen([sys.executable, "-c", script], env=environment)
    try:
        assert answer(f"http://127.0.0.1:{port}/healthz") == b'{"status":"ok"}'
    finally:
        server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=20) in (0, -signal.SIGTERM)


def answer(url: str) -> bytes:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                body: bytes = response.read()
                return body
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
