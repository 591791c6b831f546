"""Names of servers: those that one answers to on loopback, and addresses as they may be shown."""

import re

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
HOST = re.compile(r"\[?(?P<name>[^\]]*?)\]?(?::\d+)?\Z")


def host_name(header: str) -> str:
    """Return the name in a Host header, in lower case and without its port; "" if there is none."""
    match = HOST.match(header)
    return match["name"].lower() if match else ""


def without_password(url: str) -> str:
    """Return a URL as it may be shown: without who asks and their password."""
    scheme, between, rest = url.partition("://")
    where, slash, path = rest.partition("/")
    return f"{scheme}{between}{where.rpartition('@')[2]}{slash}{path}"
