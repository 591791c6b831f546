"""What the head of a request must be, to be read on, and what is in that of an answer. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote

import httptools

from provender.serving.limits import Limits
from provender.serving.messages import Response, detail

STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}
SINGLE = (b"host", b"transfer-encoding", b"content-encoding", b"authorization")
"""Headers that mean something else when they come twice."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request's version and headers, with their number and bytes; of ``SINGLE`` ones, whether one came twice."""

    version: str
    headers: Mapping[bytes, bytes]
    count: int
    size: int
    is_ambiguous: bool


def refusal_of(head: Head, limits: Limits) -> Response | None:
    """Return why this is no head of a request that is read on, or None."""
    headers = head.headers
    if head.count > limits.headers or head.size > limits.header_bytes:
        return head_too_large(limits)
    if head.version not in ("1.1", "1.0"):
        return detail(505, f"HTTP/{head.version} is not spoken here: use HTTP/1.1")
    if head.version == "1.1" and b"host" not in headers:
        return detail(400, "a request of HTTP/1.1 needs a Host header")
    if head.is_ambiguous:
        return detail(400, "a header came twice that says one thing only, such as Host")
    if coding := headers.get(b"transfer-encoding"):
        if head.version == "1.0":
            return detail(400, "HTTP/1.0 has no Transfer-Encoding")
        if coding.lower() != b"chunked":
            return detail(501, "chunked is the only Transfer-Encoding that is read here")
    if int(headers.get(b"content-length", b"0")) > limits.body_bytes:
        return body_too_large(limits)
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        return detail(417, "100-continue is all that can be expected")
    return None


def body_too_large(limits: Limits) -> Response:
    return detail(413, f"the body is larger than {limits.body_bytes} bytes: send fewer entities")


def head_too_large(limits: Limits) -> Response:
    return detail(
        431, f"there are more than {limits.headers} headers or {limits.header_bytes} bytes"
    )


def lines_of(response: Response, date: bytes) -> bytes:
    """Return the head of an answer, but for its length and how the connection goes on."""
    lines = STATUS_LINES[response.status] + date
    if response.body:
        lines += b"content-type: %b\r\n" % response.content_type
    for header in response.headers:
        lines += b"%b: %b\r\n" % header
    return lines


def target(url: bytes) -> tuple[str, str]:
    """Return path and query of a request's target; the path without percent signs.

    Raises:
        ValueError: it is not one.
    """
    if url.startswith(b"/"):
        path, _, query = url.partition(b"?")
    else:
        try:
            parsed = httptools.parse_url(url)
        except httptools.HttpParserError as error:
            raise ValueError(str(error)) from None
        path, query = parsed.path or b"/", parsed.query or b""
    text = path.decode("latin-1")
    return (unquote(text) if "%" in text else text), query.decode("latin-1")
