"""A connection on an event loop that answers in the order it was asked, and its replacement.

A channel is dropped, never repaired: on an error of the protocol, on a reply that nobody
waits for, and when its user says that an answer is late. All who still wait are told `Lost`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import hiredis

from provender.core.errors import ProvenderError
from provender.online.endpoint import Endpoint
from provender.online.resp import Refused, answered

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 1.0
"""Seconds between attempts to connect; within them, questions are refused at once."""

Take = Callable[[Any], None]
"""Gets the reply, a `ReplyError` among them, or `Lost` where none will come."""


class Lost(ConnectionError):
    """The connection ended before the answer came."""


class Unreachable(ConnectionError):
    """No connection could be made."""


class Channel(asyncio.Protocol):
    """One connection. ``on_lost`` is called once, after all who wait were told."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._waiting: deque[Take] = deque()
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._open:
            transport.abort()  # type: ignore[attr-defined]  # it came after all, but too late
        self._transport = transport  # type: ignore[assignment]  # a stream's, hence one for writing

    def ask(self, text: bytes, takers: Sequence[Take]) -> None:
        """Send commands; each taker gets one reply, in this order."""
        if not self._open or self._transport is None:
            _tell(takers, Lost("the connection ended"))
            return
        self._waiting.extend(takers)
        self._transport.write(text)

    def data_received(self, data: bytes) -> None:
        if not self._open:
            return
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                waiting.popleft()(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.drop(f"what came is no answer: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.drop(str(exc or "the server closed the connection"))

    def drop(self, why: str) -> None:
        """End the connection; nothing that still comes over it is looked at."""
        if not self._open:
            return
        self._open = False
        if self._transport is not None:
            self._transport.abort()
        waiting, self._waiting = list(self._waiting), deque()
        self._on_lost()
        _tell(waiting, Lost(why))


class Line:
    """One server, by one connection at a time, made when it is needed and when it was lost.

    ``find`` tells where the server is, at each attempt; in a thread where it ``blocks``.
    """

    def __init__(
        self,
        find: Callable[[], Endpoint],
        *,
        host: str = "",
        blocks: bool = False,
        connect_seconds: float,
        on_connect: Callable[[], None],
    ) -> None:
        self.host = host
        self._find = find
        self._blocks = blocks
        self._connect_seconds = connect_seconds
        self._on_connect = on_connect
        self._channel: Channel | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._queued: list[tuple[bytes, Sequence[Take]]] = []
        self._pause = 0.0
        self._closed_until = 0.0
        self._problem: Exception = Unreachable("not connected yet")

    def ask(self, text: bytes, takers: Sequence[Take]) -> None:
        """Send commands, now or as soon as there is a connection; each taker gets one reply."""
        if self._channel is not None:
            self._channel.ask(text, takers)
            return
        loop = asyncio.get_running_loop()
        if self._connecting is None and loop.time() < self._closed_until:
            _tell(takers, self._problem)
            return
        self._queued.append((text, takers))
        if self._connecting is None:
            self._connecting = loop.create_task(self._connect())

    def drop(self, why: str) -> None:
        """End the connection, if there is one: its answers are late."""
        if self._channel is not None:
            self._channel.drop(why)

    async def close(self) -> None:
        """End the connection for good."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        self.drop("the reader was closed")
        self._fail(Lost("the reader was closed"))

    async def _connect(self) -> None:
        channel = Channel(self._forget)
        try:
            async with asyncio.timeout(self._connect_seconds):
                await self._open(channel)
        except (OSError, hiredis.ProtocolError, Refused, ProvenderError) as error:
            channel.drop("it could not be set up")
            self._put_off(error)
        except asyncio.CancelledError:
            channel.drop("the reader was closed")
            raise
        else:
            self._take_up(channel)

    async def _open(self, channel: Channel) -> None:
        endpoint = await asyncio.to_thread(self._find) if self._blocks else self._find()
        loop = asyncio.get_running_loop()
        if endpoint.path:
            await loop.create_unix_connection(lambda: channel, endpoint.path)
        else:
            await loop.create_connection(
                lambda: channel,
                endpoint.host,
                endpoint.port,
                ssl=endpoint.tls,
                server_hostname=endpoint.host if endpoint.tls else None,
            )
        replies = [loop.create_future() for _ in range(endpoint.greetings)]
        if replies:
            channel.ask(endpoint.greeting, [partial(_settle, reply) for reply in replies])
        for reply in replies:
            got = await reply
            if isinstance(got, Lost):
                raise got
            answered(got)

    def _take_up(self, channel: Channel) -> None:
        self._channel, self._connecting, self._pause = channel, None, 0.0
        queued, self._queued = self._queued, []
        self._on_connect()
        takers = [taker for _, some in queued for taker in some]
        channel.ask(b"".join(text for text, _ in queued), takers)

    def _put_off(self, error: Exception) -> None:
        """Fail all who wait, and refuse others for a while."""
        self._connecting = None
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self._closed_until = asyncio.get_running_loop().time() + self._pause
        late = isinstance(error, TimeoutError) and not str(error)
        self._problem = Unreachable("no connection in time") if late else error
        self._fail(self._problem)

    def _fail(self, error: Exception) -> None:
        queued, self._queued = self._queued, []
        for _, takers in queued:
            _tell(takers, error)

    def _forget(self) -> None:
        self._channel = None


def _settle(answer: "asyncio.Future[Any]", reply: Any) -> None:
    if not answer.done():
        answer.set_result(reply)


def _tell(takers: Sequence[Take], error: Exception) -> None:
    for take in takers:
        take(error)
