"""Core values as answers: the one JSON of a value, with its tag."""

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from provender.api import conditions
from provender.api.errors import JSON
from provender.values import to_json


def answer(
    request: Request,
    value: Any,
    *,
    status: int = 200,
    state: conditions.State | None = None,
    location: str = "",
) -> Response:
    """Return the answer that ``value`` is; 304 to who asks for what they know already.

    ``state`` is what it is the state of, for changes of it. The same value is the same bytes, so a request that is repeated by its key is answered alike.
    """
    body = to_json(value)
    headers: dict[str, str] = {}
    if state is not None:
        headers["etag"] = state.tag(body.encode())
    elif request.method == "GET":
        headers["etag"] = conditions.content_tag(body)
    if location:
        headers["location"] = location
    if request.method == "GET" and _knows(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers=headers, media_type=JSON)


def secret(answered: Response) -> Response:
    """Return an answer that nothing on the way may keep."""
    answered.headers["cache-control"] = "no-store"
    return answered


def verbatim(request: Request, body: bytes, *, media: str, state: conditions.State) -> Response:
    """Return the answer that ``body`` is, byte for byte."""
    tag = state.tag(body)
    headers = {"etag": tag}
    if _knows(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media)


def nothing() -> Response:
    """Return the answer that something was done."""
    return Response(status_code=204)


def moved(request: Request, *parts: object) -> Response:
    """Return the answer that something is at another address for good."""
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=308, headers={"location": address(request, *parts) + query})


def address(request: Request, *parts: object) -> str:
    """Return the address of a resource of this server, of the ``parts`` of its path."""
    root = request.scope.get("root_path", "")
    return "/".join((root, *(quote(str(part), safe="@:") for part in parts)))


def _knows(request: Request, tag: str) -> bool:
    given = request.headers.get("if-none-match")
    return given is not None and conditions.is_known(tag, given)
