"""Fetching over TLS: the certificate has to be of the name, whatever address it leads to."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from provender.core.errors import Unavailable
from provender.oidc.fetching import fetch
from tests.oidc.issuer import issuing


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"host": self.headers["host"]}).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["localhost", "other.example.org"])
def port(ca: trustme.CA, request: pytest.FixtureRequest) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(request.param).configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_certificate_of_the_name_by_an_authority_that_is_trusted_is_needed(
    ca: trustme.CA, port: int, request: pytest.FixtureRequest,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    url = f"https://localhost:{port}/x"
    with pytest.raises(Unavailable):
        fetch(url)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    if "localhost" in request.node.name:
        assert fetch(url) == {"host": f"localhost:{port}"}
    else:
        with pytest.raises(Unavailable):
            fetch(url)


def test_a_server_that_hangs_is_left_in_time() -> None:
    with issuing() as issuer:
        issuer.seconds = 2.0
        began = time.monotonic()
        with pytest.raises(Unavailable):
            fetch(f"{issuer.url}/keys", seconds=0.3)
        assert time.monotonic() - began < 1.5
