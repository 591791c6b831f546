"""Bodies of requests: bounded, of the right kind, and read strictly."""

import re
from asyncio import get_running_loop
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Generic, TypeVar

from starlette.requests import Request

from provender.api.errors import Malformed, Problem, Refused
from provender.api.shapes import Shape, Size
from provender.core import bounds
from provender.core.arriving import in_time

T = TypeVar("T")
JSON = "application/json"
READERS = ThreadPoolExecutor(2, thread_name_prefix="bodies")
"""Where large bodies are read, one or two at a time: each takes some times its size in memory."""
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL character in JSON: one database keeps it in a text, the other does not."""


class Reader(Generic[T]):
    """A dependency of routes: gives them the body of a request as a value of one kind."""

    media = JSON

    def __init__(self, kind: type[T], size: Size) -> None:
        self.shape: Shape[T] = Shape(kind, size)
        self.largest = size.size_bytes

    async def __call__(self, request: Request) -> T:
        check_media(request, self.media)
        raw = await body(request, largest=self.largest)
        if len(raw) <= bounds.ASIDE:
            return self._read(raw)
        return await get_running_loop().run_in_executor(READERS, self._read, raw)

    def _read(self, raw: bytes) -> T:
        if rb"\u0000" in raw and NUL.search(raw):
            raise Malformed((Problem(where="body", what="a text has a NUL character"),))
        if raw.count(b",") > bounds.VALUES:
            much = f"it has more than {bounds.VALUES:,} values"
            raise Malformed((Problem(where="body", what=much),))
        return self.shape.read(raw)


class Verbatim:
    """A dependency of routes: gives them a body of some media type, byte for byte."""

    shape = None

    def __init__(self, media: str, *, largest: int) -> None:
        self.media = media
        self._largest = largest

    async def __call__(self, request: Request) -> bytes:
        check_media(request, self.media)
        return await body(request, largest=self._largest)


def check_media(request: Request, wanted: str) -> None:
    """Check that a request has a body of the media type ``wanted``.

    Raises:
        Refused: it is of another. A page of another site can send the common ones unasked.
    """
    given = request.headers.get("content-type", "")
    kind, _, charset = given.partition(";")
    if kind.strip().lower() != wanted or charset.strip().lower() not in ("", "charset=utf-8"):
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body is {given or 'of no media type'}, not {wanted}",
            hint=f"send it with Content-Type: {wanted}",
        )


async def body(request: Request, *, largest: int) -> bytes:
    """Return the bytes of a body.

    Raises:
        Refused: there are more than ``largest``, or they take too long to come.
    """
    read, still, whole = bytearray(), bounds.STILL_SECONDS, bounds.BODY_SECONDS
    try:
        async for chunk in in_time(request.stream(), still=still, whole=whole):
            read += chunk
            if len(read) > largest:
                raise Refused(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the body is larger than {largest} bytes",
                    hint="send less at once",
                )
    except TimeoutError:
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"nothing of the body came for {still:g} s, or all of it took longer than {whole:g} s",
            hint="send less at once",
        ) from None
    return bytes(read)
