"""An identity provider on loopback: real keys, real HTTP, and every way to go wrong that is asked for."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "provender"
MADE = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
WRITTEN: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


@dataclass(frozen=True)
class Key:
    kid: str
    algorithm: str
    private: Any

    @property
    def jwk(self) -> dict[str, Any]:
        """The public part, as the provider lists it."""
        told = json.loads(WRITTEN[self.algorithm].to_jwk(self.private.public_key()))
        return {**told, "kid": self.kid, "alg": self.algorithm, "use": "sig"}


@cache
def key(kid: str, algorithm: str = "ES256") -> Key:
    return Key(kid, algorithm, MADE[algorithm]())


@dataclass
class Issuer:
    """What it lists may be changed while it runs; ``asked`` counts requests by path."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)

    def lists(self, *keys: Key) -> None:
        self.keys = [one.jwk for one in keys]

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        time.sleep(self.seconds)
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            told: dict[str, Any] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.told
            return 200, {}, json.dumps(told).encode()
        return (200, {}, json.dumps({"keys": self.keys}).encode()) if path == "/keys" else MISSING

    def token(self, by: Key, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token for somebody; claims that are None are left out."""
        now = int(time.time())
        said = {"iss": self.url, "aud": AUDIENCE, "sub": "ana", "iat": now, "exp": now + 300}
        said = {name: told for name, told in (said | claims).items() if told is not None}
        wanted = {"kid": by.kid} | (headers or {})
        return jwt.encode(said, by.private, algorithm=by.algorithm, headers=wanted)


MISSING: tuple[int, dict[str, str], bytes] = (404, {}, b"{}")


@contextmanager
def issuing(*keys: Key) -> Iterator[Issuer]:
    """An identity provider that lists ``keys``, for as long as the block runs."""
    issuer = Issuer()
    issuer.lists(*keys)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = issuer.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
