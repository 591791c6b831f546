"""Heads of requests that are known from before: a client sends the same one each time.

What the parser made of certain bytes between two requests, it makes of them again. So a request
that comes whole, with a known head, is cut and not parsed; all else goes through the parser.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from provender.serving.messages import Request

HEAD_END = b"\r\n\r\n"
KEPT = 256
"""Heads that are known at a time; clients that put a new number in each cost little memory."""
LONGEST = 2048
"""Bytes of a head that is kept."""
METHODS = ("GET", "POST")
UNUSUAL = frozenset({b"expect", b"transfer-encoding", b"upgrade"})
"""Headers with which more than the head decides how a request goes on."""


@dataclass(slots=True)
class KnownHead:
    """What the parser made of a head; ``size`` is that of the whole request, in bytes."""

    method: str
    path: str
    query: str
    headers: Mapping[bytes, bytes]
    size: int


class KnownHeads:
    """The heads that one worker knows, whichever connection they came by."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHead] = {}

    def request(self, data: bytes) -> Request | None:
        """Return the request that ``data`` is, if it is just one, whole, with a known head."""
        end = data.find(HEAD_END) + len(HEAD_END)
        head = self._known.get(data[:end])
        if head is None or head.size != len(data):
            return None
        return Request(head.method, head.path, head.query, head.headers, data[end:])

    def keep(self, data: bytes, request: Request) -> None:
        """Know the head of ``data`` again, out of which the parser made ``request``.

        Only if that is all of it, in HTTP/1.1, and the connection stays open.
        """
        end = data.find(HEAD_END) + len(HEAD_END)
        headers, size = request.headers, len(request.body)
        if end > LONGEST or end + size != len(data) or request.method not in METHODS:
            return
        if int(headers.get(b"content-length", b"0")) != size:
            return
        if not UNUSUAL.isdisjoint(headers):
            return
        if len(self._known) >= KEPT:
            self._known.clear()
        self._known[data[:end]] = KnownHead(
            request.method, request.path, request.query, headers, len(data)
        )
