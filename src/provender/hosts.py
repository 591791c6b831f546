"""The names that a server answers to: a page of another site must not reach one on loopback."""

import re

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
HOST = re.compile(r"\[?(?P<name>[^\]]*?)\]?(?::\d+)?\Z")


def host_name(header: str) -> str:
    """Return the name in a Host header, in lower case and without its port; "" if there is none."""
    match = HOST.match(header)
    return match["name"].lower() if match else ""
