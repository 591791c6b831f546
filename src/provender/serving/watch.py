"""Whether what the server depends on is there: the online store for answers, the catalog for news.

The server never asks the catalog anything; that it is gone means that no newer definitions
come, and is worth saying. So it is only seen whether something listens there.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from provender.core.errors import ProvenderError

PROBE = [b"provender:probe"]
"""A key that is never written: reading it takes the way that lookups take."""
STORE_SECONDS = 0.3
CATALOG_SECONDS = 1.0
POSTGRESQL_PORT = 5432
PORTS = {"http": 80, "https": 443}

Read = Callable[[list[bytes]], Awaitable[list[bytes | None]]]


@dataclass(slots=True)
class Seen:
    """What was seen of one of them. ``problem`` is empty where it is there."""

    address: str
    problem: str = "it was not looked for yet"

    def to_dict(self) -> dict[str, Any]:
        return {"ok": not self.problem, "address": self.address, "problem": self.problem}


async def store_problem(read: Read) -> str:
    """Return why the store cannot answer lookups now, or nothing if it can."""
    probing = asyncio.ensure_future(read(PROBE))
    await asyncio.wait({probing}, timeout=STORE_SECONDS)
    if not probing.done():
        probing.cancel()
        return f"the online store did not answer within {STORE_SECONDS:g} s"
    error = probing.exception()
    if error is None:
        return ""
    return error.message if isinstance(error, ProvenderError) else str(error)


def catalog_address(url: str) -> str:
    """Return where the catalog of a URL is, a database's or a service's, without user and password.

    A PostgreSQL on this machine may be at a socket, in the folder that the URL gives as ``host``.
    """
    if url.startswith("sqlite:///"):
        return url.removeprefix("sqlite:///")
    parts = urlsplit(url)
    said = parse_qs(parts.query)
    host = parts.hostname or said.get("host", ["localhost"])[0]
    port = parts.port or said.get("port", [PORTS.get(parts.scheme, POSTGRESQL_PORT)])[0]
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else f"{host}:{port}"


def catalog_problem(url: str) -> str:
    """Return why the catalog cannot be there, or nothing if it may be. Blocks for a second."""
    address = catalog_address(url)
    if url.startswith("sqlite:///"):
        return "" if Path(address).is_file() else f"there is no file {address}"
    host, _, port = address.rpartition(":")
    try:
        if address.startswith("/"):
            _greet_socket(address)
        else:
            socket.create_connection((host, int(port)), timeout=CATALOG_SECONDS).close()
    except OSError as error:
        return f"nothing answers at {address}: {error.strerror or error}"
    return ""


def _greet_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(CATALOG_SECONDS)
        opened.connect(path)
