"""Documents of an identity provider, fetched from where the operator said and nowhere else.

A name is resolved once; each address it leads to is asked about, and one of those is connected to.
So nothing that a resolver says later counts. Redirects and proxies are not followed.
"""

import json
import socket
import ssl
from collections.abc import Callable
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx

from provender.core.errors import ProvenderError, Unavailable
from provender.core.reach import barred, check_url, origin

SECONDS = 5.0
"""For all of a document, however slowly it comes."""
MOST_BYTES = 512 * 1024

Fetch = Callable[[str], dict[str, Any]]


def fetch(url: str, *, seconds: float = SECONDS) -> dict[str, Any]:
    """Return the JSON object at ``url``.

    Raises:
        InvalidInput: it is no address that is fetched from.
        Unavailable: nothing answers there in time, or with something else.
    """
    _, name, port = origin(check_url(url))
    try:
        found = _answered(url, _resolved(name, port), monotonic() + seconds)
    except ProvenderError:
        raise
    except (OSError, httpx.HTTPError, ValueError, RecursionError) as error:
        raise _unavailable(url, type(error).__name__) from error
    if not isinstance(found, dict):
        raise _unavailable(url, "it answers with something else than a JSON object")
    return found


def _resolved(name: str, port: int) -> list[str]:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if odd := barred(addresses, name=name):
        raise Unavailable(
            f"{name} leads to {odd}, which no identity provider is asked at",
            hint="see what the name resolves to where this server runs",
        )
    return addresses


def _answered(url: str, addresses: list[str], until: float) -> Any:
    """Return what the first of ``addresses`` that takes a connection answers."""
    for address in addresses[:-1]:
        try:
            return _read(url, address, until)
        except httpx.ConnectError:
            continue
    return _read(url, addresses[-1], until)


def _read(url: str, address: str, until: float) -> Any:
    """Ask the server at ``address`` as if by its name, which its certificate has to have."""
    parts = urlsplit(url)
    asked = httpx.URL(url).copy_with(host=address)
    request = httpx.Request(
        "GET",
        asked,
        headers={"host": parts.netloc, "accept": "application/json", "accept-encoding": "identity"},
        extensions={"sni_hostname": parts.hostname, "timeout": _left(until).as_dict()},
    )
    trusted = ssl.create_default_context()
    with httpx.HTTPTransport(verify=trusted, trust_env=False) as transport:
        answer = transport.handle_request(request)
        if answer.status_code != httpx.codes.OK:
            raise _unavailable(url, f"it answers with status {answer.status_code}")
        body = b""
        for part in answer.iter_raw():
            body += part
            if len(body) > MOST_BYTES:
                raise _unavailable(url, f"it answers with more than {MOST_BYTES} bytes")
            _left(until)
        return json.loads(body)


def _left(until: float) -> httpx.Timeout:
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return httpx.Timeout(left)


def _unavailable(url: str, why: str) -> Unavailable:
    return Unavailable(
        f"the identity provider does not answer at {url}: {why}",
        hint="see that it runs and that this server reaches it",
    )
