"""Record what Feast's own feature server answers: ``python -m tests.serving.recorded.record``.

Applies the repository beside this file twice, so that a view has a second version, fills Feast's
own SQLite store by Feast's own engine, starts ``feast serve``, sends `requests.REQUESTS` and
writes one file per answer into ``traffic``. Run it again after a change of the data, of the
requests or of Feast; the test compares our server with what is written there.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from tests.serving.recorded.repository import data
from tests.serving.recorded.requests import REQUESTS, Request

HERE = Path(__file__).parent
TRAFFIC = HERE / "traffic"
PROJECT = "recorded"
WINDOW = (data.NOON - timedelta(days=1), data.NOON + timedelta(days=1))
FEASTS_OWN = {
    "offline_store": {"type": "dask"},
    "online_store": {"type": "sqlite", "path": "online.db"},
}


def prepare(folder: Path, configuration: dict[str, Any]) -> None:
    """Make ``folder`` the repository with its data, in the first edition."""
    shutil.copytree(HERE / "repository", folder, ignore=shutil.ignore_patterns("__pycache__"))
    data.write_all(folder)
    settled = {
        "project": PROJECT,
        "provider": "local",
        "registry": "registry.db",
        "entity_key_serialization_version": 3,
    }
    (folder / "feature_store.yaml").write_text(json.dumps(settled | configuration))
    set_edition(folder, 1)


def set_edition(folder: Path, edition: int) -> None:
    """Write it, each of another size: within a second Python tells what it compiled by that only."""
    (folder / "edition.py").write_text(f"EDITION = {edition}\n" + "\n" * edition)


def file_of(request: Request) -> Path:
    """Return where the answer is kept."""
    return TRAFFIC / f"{re.sub(r'[^a-z0-9_]+', '-', request.name.lower())}.json"


def send(client: httpx.Client, request: Request) -> httpx.Response:
    """Return what the server behind ``client`` answers."""
    content = request.body if isinstance(request.body, str) else json.dumps(request.body)
    headers = {"Content-Type": "application/json"} if request.method == "POST" else {}
    headers["Connection"] = "close"  # Feast's server resets a connection after some of its errors
    return client.request(request.method, request.path, content=content, headers=headers)


def told(response: httpx.Response) -> Any:
    """Return a response's JSON; None where there is no body."""
    return json.loads(response.text) if response.content else None


def feast(folder: Path, *arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "feast"), "-c", str(folder), *arguments]


@contextmanager
def feasts_server(folder: Path) -> Iterator[str]:
    """Apply, fill and serve the repository in ``folder`` as Feast does; give the server's address."""
    prepare(folder, FEASTS_OWN)
    for edition in (1, 2):
        set_edition(folder, edition)
        subprocess.run(feast(folder, "apply"), check=True)
    start, end = (at.isoformat() for at in WINDOW)
    subprocess.run(feast(folder, "materialize", start, end), check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(feast(folder, "serve", "-h", "127.0.0.1", "-p", str(port)))
    address = f"http://127.0.0.1:{port}"
    try:
        _await(address, server)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _await(address: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit(f"feast serve ended with {server.returncode}")
        try:
            if httpx.get(f"{address}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit("feast serve did not start within two minutes")


def main() -> None:
    shutil.rmtree(TRAFFIC, ignore_errors=True)
    TRAFFIC.mkdir()
    with (
        TemporaryDirectory() as folder,
        feasts_server(Path(folder) / "repository") as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        for request in REQUESTS:
            response = send(client, request)
            kept = {
                "method": request.method,
                "path": request.path,
                "request": request.body,
                "status": response.status_code,
                "response": told(response),
            }
            text = json.dumps(kept, ensure_ascii=False, indent=1)
            file_of(request).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
