"""Which servers one of ours connects to by itself: what an address may be, and what it leads to.

Only the operator names servers; what answers say of others is not followed. Pure: whoever connects
resolves a name, asks about each address it leads to, and connects to those and to no name.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from provender.core.errors import InvalidInput

HERE = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine, which are reached without TLS, too."""
PORTS = {"https": 443, "http": 80}
TRANSLATED = IPv6Network("64:ff9b::/96")
"""Where translators show addresses of the old kind (NAT64)."""

Address = IPv4Address | IPv6Address


def check_url(url: str) -> str:
    """Return the address of a server that tokens or keys are fetched from.

    Raises:
        InvalidInput: it is not https (nor of this machine), or has parts that no such address has.
    """
    problem = _problem(url)
    if problem:
        raise InvalidInput(f"{url} is not where keys are fetched from: {problem}")
    return url


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, name and port of a checked address."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or PORTS[parts.scheme]


def barred(addresses: Iterable[str], *, name: str) -> str:
    """Return the first of ``addresses`` that a server called ``name`` is not to be at; else nothing.

    A name of this machine leads to this machine, and no other name does; none leads to what is
    next to it on the wire, where clouds tell machines their secrets. Private networks are open.
    """
    here = name in HERE
    return next((one for one in addresses if _meant(one).is_loopback != here or _is_odd(one)), "")


def _problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        name, _port = parts.hostname or "", parts.port
    except ValueError as error:
        return str(error)
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "it has characters that no address has"
    if parts.scheme != "https" and not (parts.scheme == "http" and name in HERE):
        return "write https://…; http is for this machine only"
    if not name or parts.port == 0:
        return "it names no server"
    if parts.username is not None or "?" in url or "#" in url:
        return "leave out users, passwords, queries and fragments"
    return ""


def _meant(address: str) -> Address:
    """The address that packets end at: one of the old kind may be written inside of one of the new."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address):
        return found
    if found in TRANSLATED:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    teredo = found.teredo[1] if found.teredo else None
    return found.ipv4_mapped or found.sixtofour or teredo or found


def _is_odd(address: str) -> bool:
    found = _meant(address)
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return True
    return found.is_reserved and not found.is_loopback
