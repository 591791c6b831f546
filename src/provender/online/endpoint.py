"""One server that can be reached: a port or a UNIX socket, plain or by TLS, and who we say we are.

The words of ``extra`` are redis-py's, so that its connections and ours agree.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from provender.core.errors import Misconfigured
from provender.online.resp import command

NO_CHECK = ("none", ssl.CERT_NONE, False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one server is. ``greeting`` is what is sent first, ``greetings`` its answers' number."""

    host: str = ""
    port: int = 0
    path: str = ""
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    greeting: bytes = field(default=b"", repr=False)
    greetings: int = 0

    @property
    def address(self) -> str:
        return f"unix://{self.path}" if self.path else f"{self.host}:{self.port}"

    def dial(self, seconds: float) -> socket.socket:
        """Return a connected socket; nothing is said yet.

        Raises:
            OSError: nobody listens, or not within ``seconds``; or TLS finds a wrong certificate.
        """
        if self.path:
            return self._dial_path(seconds)
        connected = socket.create_connection((self.host, self.port), timeout=seconds)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            return connected
        try:
            return self.tls.wrap_socket(connected, server_hostname=self.host)
        except BaseException:
            connected.close()
            raise

    def _dial_path(self, seconds: float) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX)
        try:
            connected.settimeout(seconds)
            connected.connect(self.path)
        except BaseException:
            connected.close()
            raise
        return connected


def greeting(username: str | None, password: str | None, db: int) -> tuple[bytes, int]:
    """Return what a connection says first, and how many answers that gives.

    Nothing is said of the protocol's version: 2 is what every server begins with.
    """
    said: list[bytes] = []
    if password is not None:
        words = (username, password) if username else (password,)
        said.append(command("AUTH", *words))
    if db:
        said.append(command("SELECT", str(db)))
    return b"".join(said), len(said)


def tls_context(extra: Mapping[str, Any]) -> ssl.SSLContext:
    """Return the TLS context of redis-py's ``ssl_…`` options.

    Raises:
        Misconfigured: a certificate or key cannot be read.
    """
    told = tuple(sorted((name, extra[name]) for name in extra if name.startswith("ssl_")))
    try:
        return _tls_context(told)
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"the online store's TLS options cannot be used: {error}",
            hint="ssl_ca_certs, ssl_certfile and ssl_keyfile name files in PEM form",
        ) from None


@lru_cache(maxsize=16)
def _tls_context(told: tuple[tuple[str, Any], ...]) -> ssl.SSLContext:
    options = dict(told)
    context = ssl.create_default_context()
    required = options.get("ssl_cert_reqs", "required")
    context.check_hostname = bool(options.get("ssl_check_hostname", True))
    if required in NO_CHECK:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif required in ("optional", ssl.CERT_OPTIONAL):
        context.verify_mode = ssl.CERT_OPTIONAL
    authorities = [options.get(f"ssl_ca_{kind}") for kind in ("certs", "path", "data")]
    if any(authorities):
        file, folder, data = authorities
        context.load_verify_locations(file, folder, data)
    if certificate := options.get("ssl_certfile"):
        context.load_cert_chain(
            certificate, options.get("ssl_keyfile"), options.get("ssl_password")
        )
    return context
