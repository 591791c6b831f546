"""A request and its answer, whatever carried them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

import orjson

JSON = b"application/json"
ARROW = b"application/vnd.apache.arrow.stream"
RETRY = (b"retry-after", b"1")
CHALLENGE = (b"www-authenticate", b'Bearer realm="provender"')


@dataclass(slots=True)
class Request:
    """One request, read to its end. ``headers`` are by lower-case name; the last of a name counts.

    ``deadline`` is when it may no longer wait for the store, in the loop's seconds. ``bearer`` is
    what the policy lease calls who sent it, where that is asked.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    deadline: float = inf
    bearer: str = ""


@dataclass(slots=True)
class Response:
    """A status and a body, perhaps an empty one. ``headers`` are more than those of the body."""

    status: int = 200
    body: bytes = b""
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


def detail(status: int, message: str, *headers: tuple[bytes, bytes]) -> Response:
    """Return what FastAPI answers where a request does not reach Feast."""
    return Response(status, orjson.dumps({"detail": message}), headers=headers)
