"""The wire: requests that are sent again where that is safe, answers as core values, errors as raised.

Answers are read leniently: a later server may say more than we know.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import ValidationError

from provender.client.errors import as_raised
from provender.core.datasets import Listed
from provender.core.digest import plain
from provender.core.errors import Busy, InvalidInput, Unavailable
from provender.hosts import without_password
from provender.values import adapter, to_json

T = TypeVar("T")
PAGE = 200
"""Items that the server gives at once."""
PAUSES = (0.1, 0.4, 1.6)
"""Seconds before each further try."""
AWAY = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
LONG = 3600.0
"""Seconds between two bytes of a long answer, at most: the server has a deadline of its own."""
TRIES = 5
"""How often a busy server is asked again."""
LONGEST_WAIT = 30.0
JSON = {"content-type": "application/json"}


@cache
def _trusted() -> ssl.SSLContext:
    """Return what certificates are checked by; to read the authorities takes 30 ms."""
    return httpx.create_ssl_context()


class Wire:
    """A connection to the API at ``url``, such as http://127.0.0.1:8400. Safe between threads."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = without_password(url).rstrip("/")
        self._pause = pause
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1",
            headers=dict(headers or {}),
            timeout=timeout,
            verify=_trusted(),
        )

    def get(self, kind: type[T], /, *parts: object, **asked: object) -> T:
        """Return what is at the address of ``parts``; ``asked`` are parameters, None is none."""
        return self._value(kind, self._send("GET", parts, asked=asked, again=True))

    def listed(
        self, kind: type[T], /, *parts: object, limit: int, after: str = "", **asked: object
    ) -> Listed[T]:
        """Return up to ``limit`` items of a list, from as many pages as that takes."""
        page: type[Listed[T]] = Listed[kind]  # type: ignore[valid-type]
        items: list[T] = []
        following: str | None = after
        while True:
            wanted = min(limit - len(items), PAGE)
            part = self.get(page, *parts, limit=wanted, after=following or None, **asked)
            items += part.items
            following = part.next
            if following is None or len(items) >= limit:
                return Listed(tuple(items), following)

    def send(
        self,
        method: str,
        kind: type[T],
        *parts: object,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> T:
        """Return the answer to a request; ``again``: sent twice, it does what it does once."""
        answered = self._send(method, parts, body=body, headers=headers, again=again)
        return self._value(kind, answered)

    def tell(
        self,
        method: str,
        *parts: object,
        body: object,
        headers: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> None:
        """Send what has no answer but that it is done."""
        self._send(method, parts, body=body, headers=headers, again=again)

    def stream(
        self,
        method: str,
        *parts: object,
        content: Callable[[], Iterable[bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
        **asked: object,
    ) -> tuple[Mapping[str, str], Iterator[bytes]]:
        """Return the headers of a long answer, and its bytes as they come.

        The server may take its time. While it is busy it is asked again, a few times.

        Raises:
            Unavailable: the server is away, or went away before the end; that may be while they
                are read.
        """
        for last in (False,) * TRIES + (True,):
            answered = self._opened(method, parts, content, headers, asked)
            if answered.is_success:
                return answered.headers, self._bytes(answered)
            try:
                raised = as_raised(answered.status_code, answered.read(), url=self.url)
            finally:
                answered.close()
            if last or not isinstance(raised, Busy):
                raise raised
            self._pause(_told_to_wait(answered.headers))
        raise AssertionError("the last try returns or raises")

    def _opened(
        self,
        method: str,
        parts: tuple[object, ...],
        content: Callable[[], Iterable[bytes]] | None,
        headers: Mapping[str, str] | None,
        asked: Mapping[str, object],
    ) -> httpx.Response:
        request = self._http.build_request(
            method,
            "/".join(("", *map(_segment, parts))),
            params={name: _written(value) for name, value in asked.items() if value is not None},
            content=content() if content else None,
            headers=dict(headers or {}),
            timeout=httpx.Timeout(self._http.timeout.connect, read=LONG, write=LONG),
        )
        try:
            return self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise self._away(error) from error

    def _bytes(self, answered: httpx.Response) -> Iterator[bytes]:
        try:
            yield from answered.iter_bytes()
        except httpx.TransportError as error:
            raise self._away(error) from error
        finally:
            answered.close()

    def lines(self, *parts: object, **asked: object) -> Iterator[bytes]:
        """Return the lines at the address of ``parts``, as they come; asked for once.

        Raises:
            Unavailable: the server is away, or went away before the end; that may be while they
                are read.
        """
        path = "/".join(("", *map(_segment, parts)))
        given = {name: _written(value) for name, value in asked.items() if value is not None}
        streamed = self._http.build_request("GET", path, params=given)
        try:
            answered = self._http.send(streamed, stream=True)
            if not answered.is_success:
                raise as_raised(answered.status_code, answered.read(), url=self.url)
        except httpx.TransportError as error:
            raise self._away(error) from error
        return self._streamed(answered)

    def _streamed(self, answered: httpx.Response) -> Iterator[bytes]:
        rest = b""
        try:
            for chunk in answered.iter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line + b"\n" for line in lines)
        except httpx.TransportError as error:
            raise self._away(error) from error
        finally:
            answered.close()
        if rest:
            yield rest

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _send(
        self,
        method: str,
        parts: tuple[object, ...],
        *,
        asked: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        again: bool,
    ) -> httpx.Response:
        path = "/".join(("", *map(_segment, parts)))
        given = {
            name: _written(value) for name, value in (asked or {}).items() if value is not None
        }
        content = body if isinstance(body, bytes | None) else _encoded(to_json(body))
        sent = (JSON if content is not None else {}) | dict(headers or {})
        for pause in (*PAUSES, None):
            try:
                answered = self._http.request(
                    method, path, params=given, content=content, headers=sent, follow_redirects=True
                )
            except httpx.TransportError as error:
                if pause is None or not (again or isinstance(error, httpx.ConnectError)):
                    raise self._away(error) from error
            else:
                if answered.status_code not in AWAY or pause is None or not again:
                    break
            self._pause(pause)
        if not answered.is_success:
            raise as_raised(answered.status_code, answered.content, url=self.url)
        return answered

    def _value(self, kind: type[T], answered: httpx.Response) -> T:
        try:
            return adapter(kind).validate_json(answered.content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise Unavailable(
                f"the answer of {without_password(str(answered.url))} cannot be read: {where}: {first['msg']}",
                hint="is that a catalog of this version of Provender, or a later one?",
            ) from error

    def _away(self, error: httpx.TransportError) -> Unavailable:
        return Unavailable(
            f"the catalog at {self.url} does not answer: {error or type(error).__name__}",
            hint="is it up, and PROVENDER_CATALOG_URL its address? provender serve web starts one",
        )


def matching(expected: int | None) -> dict[str, str]:
    """Return the header that says which revision was looked at; 0: that there is none.

    None: whatever it is. Where that needs a reason, the catalog says so, as it does in process.
    """
    return {"if-match": "*" if expected is None else f'"{expected}"'}


def keyed(key: str) -> dict[str, str]:
    """Return the header of a request that is done once, however often it is sent."""
    return {"idempotency-key": key or uuid4().hex}


def _written(value: object) -> Any:
    """Return a parameter as it stands in an address."""
    shown = plain(value)
    if isinstance(shown, bool):
        return "true" if shown else "false"
    if isinstance(shown, list):
        return [_encoded(str(one)).decode() for one in shown]
    return _encoded(str(shown)).decode()


def _told_to_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds that a busy server says to wait."""
    given = headers.get("retry-after", "")
    return min(float(given), LONGEST_WAIT) if given.isascii() and given.isdecimal() else 1.0


def _segment(part: object) -> str:
    """Return a part of a path as it stands in an address; two dots are a name there, no way up."""
    quoted = quote(_encoded(str(part)), safe="@:")
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def _encoded(text: str) -> bytes:
    """Return ``text`` as it is sent.

    Raises:
        InvalidInput: it has half of a character.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{text[:80]!r} has half of a character, which cannot be sent",
            hint="leave that character out",
        ) from error
