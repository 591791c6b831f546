"""HTTP/1.1 on one connection: bytes in, requests out, answers in the order of the requests.

What cannot be a request is answered once (400, 408, 413, 417, 431) and the connection ends.
Reading stops while many pipelined requests wait, or while the client does not read its answers.

    idle ──first byte──▶ head ──blank line──▶ body ──last byte──▶ idle
    each phase has its time; `Front` looks at the clock, connections carry no timers
"""

import asyncio
from collections import deque
from enum import IntEnum
from typing import cast

import httptools

from provender.serving.heads import (
    SINGLE,
    Head,
    body_too_large,
    head_too_large,
    lines_of,
    refusal_of,
    target,
)
from provender.serving.messages import Request, Response, detail
from provender.serving.site import Site
from provender.serving.sockets import unsent

PIPELINED = 16
"""Requests of one connection that are answered at the same time; the others wait unread."""
UNREAD_BYTES = 64 << 10
"""Answers that the client has not read, after which no more of its requests are."""
LINGER_SECONDS = 2.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(IntEnum):
    """What of a request is being read. ``REFUSED``: nothing more, the connection ends."""

    IDLE = 0
    HEAD = 1
    BODY = 2
    REFUSED = 3


class Exchange:
    """A request and the place of its answer; called with the answer."""

    __slots__ = ("connection", "head", "keep_alive", "old", "request", "response")

    def __init__(
        self,
        connection: "Connection",
        request: Request | None,
        *,
        keep_alive: bool,
        head: bool = False,
        old: bool = False,
    ) -> None:
        self.connection = connection
        self.request = request
        self.keep_alive = keep_alive
        self.head = head
        self.old = old
        self.response: Response | None = None

    def __call__(self, response: Response) -> None:
        self.response = response
        self.connection.flush()


class Connection(asyncio.Protocol):
    """One client's connection. ``deadline`` is when its phase must be over, on `Site`'s clock."""

    def __init__(self, site: Site) -> None:
        self.deadline = site.clock + site.limits.idle_seconds
        self.phase = Phase.IDLE
        self._site = site
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser: httptools.HttpRequestParser = httptools.HttpRequestParser(self)
        self._exchanges: deque[Exchange] = deque()
        self._unstarted: deque[Exchange] = deque()
        self._gone = False
        self._unread_since: float | None = None
        self._unread_bytes = 0
        self._reading = True
        self._starting = False
        self._continue = False
        self._begun_now = False
        self._whole = b""
        """What came last, if a request begins with it."""
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_count = 0
        self._header_bytes = 0
        self._is_ambiguous = False
        self._parts: list[bytes] = []
        self._body_bytes = 0
        self._raw_bytes = 0

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=UNREAD_BYTES)
        self._site.connections.add(self)
        if len(self._site.connections) > self._site.limits.connections:
            self._refuse(detail(503, "too many connections", (b"retry-after", b"1")))

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        self._forget_body()
        self._site.connections.discard(self)
        self._unstarted.clear()
        del self._parser  # it holds this object, and this object holds it

    def data_received(self, data: bytes) -> None:
        if self.phase is Phase.REFUSED:
            return
        if self.phase is Phase.IDLE:
            request = self._site.known.request(data)
            if request is not None:
                self._take(Exchange(self, request, keep_alive=True))
                return
            self._whole = data
        self._begun_now = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._stop_reading()  # answered as if it had not asked; what follows may be anything
        except httptools.HttpParserError as error:
            self._refuse(detail(400, f"this is no HTTP request: {error}"))
        self._whole = b""
        if not self._begun_now:
            self._count(len(data))

    def eof_received(self) -> bool:
        """Answer what was asked completely, then close."""
        if self._exchanges and self.phase is not Phase.REFUSED:
            self._stop_reading()
            return True
        return False

    def pause_writing(self) -> None:
        self._unread_since = self._site.clock
        self._unread_bytes = unsent(self._transport)
        self._read_on()

    def resume_writing(self) -> None:
        self._unread_since = None
        self._start()
        self._read_on()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.phase is not Phase.REFUSED:
            self._begun_now = True
            self.phase = Phase.HEAD
            self.deadline = self._site.clock + self._site.limits.header_seconds

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._header_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._header_count <= self._site.limits.headers:
            name = name.lower()
            self._is_ambiguous |= name in SINGLE and name in self._headers
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        if self.phase is Phase.REFUSED:
            return
        refusal = refusal_of(self._head(), self._site.limits)
        if refusal is not None:
            self._refuse(refusal)
            return
        self.phase = Phase.BODY
        self.deadline = self._site.clock + self._site.limits.body_seconds
        if b"expect" in self._headers and self._parser.get_http_version() == "1.1":
            self._continue = True
            self._go_on()

    def on_body(self, part: bytes) -> None:
        if self.phase is Phase.REFUSED:
            return
        site, limits = self._site, self._site.limits
        self._body_bytes += len(part)
        site.bodies_bytes += len(part)
        if self._body_bytes > limits.body_bytes:
            self._refuse(body_too_large(limits))
        elif site.bodies_bytes > limits.bodies_bytes:
            self._refuse(detail(503, "too many bodies are coming", (b"retry-after", b"1")))
        else:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        if self.phase is Phase.REFUSED:
            return
        parser, parts = self._parser, self._parts
        method = parser.get_method().decode()
        head = method == "HEAD"
        try:
            path, query = target(self._url)
        except ValueError as error:
            self._refuse(detail(400, f"the request's target cannot be read: {error}"))
            return
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        request = Request("GET" if head else method, path, query, self._headers, body)
        exchange = Exchange(
            self,
            request,
            keep_alive=parser.should_keep_alive(),
            head=head,
            old=parser.get_http_version() == "1.0",
        )
        if exchange.keep_alive and not (head or exchange.old):
            self._site.known.keep(self._whole, request)
        self._continue = False
        self._forget_body()
        self._begin()
        self.phase = Phase.IDLE
        self._take(exchange)

    def _take(self, exchange: Exchange) -> None:
        """Have a request answered, now or when its turn has come."""
        self._exchanges.append(exchange)
        self._unstarted.append(exchange)
        self._start()
        self._read_on()

    def _forget_body(self) -> None:
        self._site.bodies_bytes -= self._body_bytes
        self._body_bytes = 0
        self._parts = []

    # Answers.

    def flush(self) -> None:
        """Write the answers that are there, in the order of their requests."""
        exchanges = self._exchanges
        while exchanges and exchanges[0].response is not None:
            exchange = exchanges.popleft()
            self._write(exchange)
            if not exchange.keep_alive or self._site.draining:
                self._end()
                return
        self._go_on()
        if self._unstarted:
            self._start()
        if not self._reading:
            self._read_on()
        if not exchanges and self.phase is Phase.IDLE:
            self.deadline = self._site.clock + self._site.limits.idle_seconds
        elif not exchanges and self.phase is Phase.REFUSED:
            self._end()

    def look(self, now: float) -> None:
        """End what has taken too long."""
        if self._is_stuck(now):
            self._transport.abort()
        elif now <= self.deadline:
            if self._site.draining and self._is_idle() and now > self._site.idle_until:
                self._transport.close()
        elif self.phase in (Phase.HEAD, Phase.BODY):
            if self._reading:
                self._refuse(detail(408, "the request did not come to its end in time"))
        elif not self._exchanges and self._is_read(now):
            self._transport.abort()

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def _is_stuck(self, now: float) -> bool:
        """Whether the client reads nothing, or so slowly that its answers cost too much."""
        if self._unread_since is None:
            return False
        unread = unsent(self._transport)
        if unread > self._unread_bytes or unread <= self._unread_bytes - UNREAD_BYTES:
            self._unread_bytes, self._unread_since = unread, now
        return now > self._unread_since + self._site.limits.undrained_seconds

    def _is_read(self, now: float) -> bool:
        """Whether the client has read its answers, or has had the time to."""
        late = now > self.deadline + self._site.limits.undrained_seconds
        return late or not self._transport.get_write_buffer_size()

    def _is_idle(self) -> bool:
        return self.phase is Phase.IDLE and not self._exchanges

    def _start(self) -> None:
        """Have requests answered, as long as not too many are and the client reads."""
        if self._starting:
            return  # an answer that came at once brought us here again
        self._starting = True
        unstarted = self._unstarted
        while unstarted and self._unread_since is None:
            if len(self._exchanges) - len(unstarted) >= PIPELINED:
                break
            exchange = unstarted.popleft()
            request = cast("Request", exchange.request)
            exchange.request = None
            self._site.app.answer(request, exchange)
        self._starting = False

    def _read_on(self) -> None:
        """Read while there is room for requests and the client reads; else do not."""
        wanted = self._unread_since is None and len(self._unstarted) == 0
        if self._gone or wanted is self._reading or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            limits = self._site.limits
            self.deadline = max(self.deadline, self._site.clock + limits.header_seconds)
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Tell the client that its body is wanted, after the answers that come before."""
        if self._continue and not self._exchanges and not self._gone:
            self._continue = False
            self._transport.write(CONTINUE)

    def _write(self, exchange: Exchange) -> None:
        response = cast("Response", exchange.response)
        if self._gone or self._transport.is_closing():
            return
        body, lines = response.body, lines_of(response, self._site.date)
        if not exchange.keep_alive or self._site.draining:
            lines += b"connection: close\r\n"
        elif exchange.old:
            lines += b"connection: keep-alive\r\n"
        head = b"%bcontent-length: %d\r\n\r\n" % (lines, len(body))
        self._transport.write(head if exchange.head else head + body)

    # Refusals.

    def _count(self, size: int) -> None:
        """Count bytes of what is not complete: the parser keeps parts of headers to itself."""
        limits = self._site.limits
        self._raw_bytes += size
        if self.phase is Phase.HEAD and self._raw_bytes > limits.header_bytes:
            self._refuse(head_too_large(limits))
        elif self.phase is Phase.BODY and self._raw_bytes > 2 * limits.body_bytes:
            self._refuse(body_too_large(limits))

    def _head(self) -> Head:
        return Head(
            self._parser.get_http_version(),
            self._headers,
            count=self._header_count,
            size=self._header_bytes,
            is_ambiguous=self._is_ambiguous,
        )

    def _refuse(self, response: Response) -> None:
        """Answer what is being read with ``response``, after all before it, and read no more."""
        if self.phase is Phase.REFUSED:
            return
        self._site.app.refused(response.status)
        self._forget_body()
        self.phase = Phase.REFUSED
        self.deadline = self._site.clock + self._site.limits.grace_seconds
        exchange = Exchange(self, None, keep_alive=False)
        self._exchanges.append(exchange)
        exchange(response)

    def _stop_reading(self) -> None:
        """Answer what was asked, and close."""
        self.phase = Phase.REFUSED
        self.deadline = self._site.clock + self._site.limits.grace_seconds
        if self._exchanges:
            self._exchanges[-1].keep_alive = False
        else:
            self._end()

    def _end(self) -> None:
        """Close behind the last answer; read on a while, else its last bytes may be lost.

        A socket that is closed with bytes unread resets the connection, and the client loses
        what it has not read yet.
        """
        self.phase = Phase.REFUSED
        self._exchanges.clear()
        self._unstarted.clear()
        if self._gone or self._transport.is_closing():
            return
        self.deadline = self._site.clock + LINGER_SECONDS
        self._read_on()
        self._transport.write_eof()
