"""The gate to the lake: how many retrieve at once, for how long, and what they may send."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from provender.api.reading import check_media
from provender.core.arriving import in_time
from provender.core.errors import Busy, TooLarge, Unavailable
from provender.core.gateway import FeaturesAsked, RowsAsked, Streamed
from provender.core.protocols import Library
from provender.offline.deadline import Deadline
from provender.tables.spill import spilling
from provender.tables.stream import explained

T = TypeVar("T")
ARROW = "application/vnd.apache.arrow.stream"
AGAIN_SECONDS = 2
"""When those who find no room are told to come again."""
PIECE_BYTES = 1 << 20
STILL_SECONDS = 30.0
"""Whoever sends or reads nothing for so long is not waited for."""
WAITING = 4
"""Times the largest bodies of one round at work: as many bytes may wait on the disk."""


class Lake(Protocol):
    """Whoever reads the lake, for whoever a catalog speaks for; see `core.gateway.Gateway`."""

    def rows(self, catalog: Library, asked: RowsAsked, deadline: Deadline) -> Streamed: ...
    def features(
        self, catalog: Library, asked: FeaturesAsked, spine: Path, deadline: Deadline
    ) -> Streamed: ...


@dataclass
class Gate:
    """Lets so many ``at_once`` to a ``lake``, for ``seconds`` each; what they send waits below ``spill``.

    A body has ``largest`` bytes at most. Whoever is still for ``still`` seconds is not waited for.
    One actor has half of it at most, of the turns and of what waits, so that others find room; where
    nobody is told from another (an actor without a name) all of it. For one event loop.
    """

    lake: Lake
    spill: Path
    at_once: int
    seconds: float
    largest: int
    still: float = STILL_SECONDS
    inside: int = field(default=0, init=False)
    waiting: int = field(default=0, init=False)
    _inside_of: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    _waiting_of: Counter[str] = field(default_factory=Counter, init=False, repr=False)

    @contextmanager
    def turn(self, actor: str = "") -> Iterator[Deadline]:
        """The time that one retrieval of ``actor`` has, from now on.

        Raises:
            Busy: as many are at work as may be, or as many of theirs.
        """
        self._find_room(actor)
        self.inside += 1
        self._inside_of[actor] += 1
        try:
            yield Deadline(lambda stage, done: None, self.seconds)
        finally:
            self.inside -= 1
            _take(self._inside_of, actor, 1)

    @contextmanager
    def body(self, actor: str = "") -> Iterator["Body"]:
        """A body that ``actor`` is about to send, and waits on the disk. It has no turn: it may take its time.

        Raises:
            Busy: they would have no turn now, even with the body.
        """
        self._find_room(actor)
        with spilling(self.spill) as folder:
            body = Body(self, folder / "received", actor)
            try:
                yield body
            finally:
                self.waiting -= body.size
                _take(self._waiting_of, actor, body.size)

    def grow(self, actor: str, count: int) -> None:
        """Let ``count`` bytes more wait, which ``actor`` sent.

        Raises:
            Busy: as much waits as may be, or as much of theirs.
        """
        most = WAITING * self.at_once * self.largest
        if self.waiting + count > most:
            raise _busy("as many rows wait for their turn as may be")
        if actor and self._waiting_of[actor] + count > most // 2:
            raise _busy("as many rows of yours wait for their turn as may be of one actor")
        self.waiting += count
        self._waiting_of[actor] += count

    def _find_room(self, actor: str) -> None:
        most = (self.at_once + 1) // 2
        if self.inside >= self.at_once:
            raise _busy(f"{self.at_once} retrievals are at work, which is as many as may be")
        if actor and self._inside_of[actor] >= most:
            raise _busy(
                f"{most} retrievals of yours are at work, which is as many as may be of one actor"
            )


@dataclass
class Body:
    """What ``actor`` sends to a ``gate``, as it comes into a ``file``; ``size`` bytes are there."""

    gate: Gate
    file: Path
    actor: str
    size: int = 0

    async def receive(self, chunks: AsyncIterator[bytes]) -> None:
        """Write ``chunks`` to the file; what comes after it is too large is read, and thrown away.

        Whoever sends would else not read why.

        Raises:
            TooLarge: it is larger than is taken at once.
            Busy: as much waits as may be, or as much of theirs.
            Unavailable: nothing came for too long, or the disk is full.
        """
        largest, sent, piece = self.gate.largest, 0, bytearray()
        with explained(self.file), self.file.open("wb", buffering=0) as sink:
            async for chunk in self._in_time(chunks):
                sent += len(chunk)
                if sent > 2 * largest:
                    break
                if sent <= largest:
                    self._grow(len(chunk))
                    piece += chunk
                if len(piece) >= PIECE_BYTES:
                    await run_in_threadpool(sink.write, bytes(piece))
                    piece.clear()
            sink.write(piece)
        if sent > largest:
            raise TooLarge(
                f"the rows take more than {largest >> 20} MB, which is as much as is taken at once",
                hint="ask for fewer rows at a time, or leave columns out that only stay beside the features",
            )

    def _grow(self, count: int) -> None:
        self.gate.grow(self.actor, count)
        self.size += count

    async def _in_time(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        still = self.gate.still
        try:
            async for chunk in in_time(chunks, still=still, whole=self.gate.seconds):
                yield chunk
        except TimeoutError as error:
            raise Unavailable(
                f"the rows did not come: {self.size} bytes are there, and for {still:g} seconds no more, "
                f"or not all within {self.gate.seconds:g}",
                hint="send them without a break, or fewer of them",
            ) from error


def _busy(why: str) -> Busy:
    return Busy(why, hint="come again in some seconds", retry_after=AGAIN_SECONDS)


def _take(of: Counter[str], actor: str, count: int) -> None:
    of[actor] -= count
    if not of[actor]:
        del of[actor]


def gate_of(request: Request) -> Gate:
    """Return the gate of the server that was asked.

    Raises:
        Unavailable: this server has no lake.
    """
    gate: Gate | None = request.app.state.gate
    if gate is None:
        raise Unavailable("this server has no lake", hint="ask the one that provender serve web is")
    return gate


def _whose(request: Request) -> str:
    """Return whose share of the gate ``request`` takes of: no name in local mode, where one person asks."""
    if request.app.state.mode.is_local:
        return ""
    actor: str = request.state.identity.actor
    return actor


async def turn(request: Request) -> AsyncIterator[Deadline]:
    """A turn at the gate, until the answer is sent. A body has to be there before.

    One actor has half of the turns at most; in local mode, where all are one person, every one.

    Raises:
        Unavailable: this server has no lake.
        Busy: as many are at work as may be, or as many of who asks.
    """
    with gate_of(request).turn(_whose(request)) as deadline:
        yield deadline


Turn = Annotated[Deadline, Depends(turn)]


class Upload:
    """A dependency of routes: a body of any media type as a file, which goes with the request."""

    shape = None

    def __init__(self, media: str) -> None:
        self.media = media

    async def __call__(self, request: Request) -> AsyncIterator[Path]:
        check_media(request, self.media)
        with gate_of(request).body(_whose(request)) as body:
            await body.receive(request.stream())
            yield body.file


async def attended(receive: Receive, deadline: Deadline, work: Callable[[], T]) -> T:
    """Return what ``work`` does in a thread; it is called off when whoever asks goes away."""
    leaving = asyncio.create_task(_until_gone(receive, deadline))
    try:
        return await run_in_threadpool(work)
    finally:
        leaving.cancel()


async def _until_gone(receive: Receive, deadline: Deadline) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    deadline.call_off()


class Stream(Response):
    """An answer that is sent as it is made. One that fails, or takes too long, breaks off visibly.

    So does one that is not read for ``still`` seconds: it would keep others from their turn.
    """

    def __init__(
        self,
        head: bytes,
        streamed: Streamed,
        deadline: Deadline,
        headers: Mapping[str, str],
        *,
        still: float = STILL_SECONDS,
    ) -> None:
        super().__init__(headers=headers, media_type=ARROW)
        del self.headers["content-length"]
        if streamed.size_bytes is not None:
            self.headers["content-length"] = str(streamed.size_bytes)
        self._head, self._chunks, self._deadline = head, streamed.chunks, deadline
        self._still = still

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(_until_gone(receive, self._deadline))
        try:
            async with asyncio.timeout(self._deadline.seconds_left):
                await self._send(send)
        except TimeoutError as error:
            raise self._deadline.missed() from error
        finally:
            leaving.cancel()
            await asyncio.shield(run_in_threadpool(_closed, self._chunks))

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        chunk = self._head
        while chunk:
            async with asyncio.timeout(self._still):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await run_in_threadpool(next, self._chunks, b"")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _closed(chunks: Iterator[bytes]) -> None:
    if hasattr(chunks, "close"):
        chunks.close()


def begun(streamed: Streamed) -> bytes:
    """Return how a stream begins, with its first rows: what is wrong until then is an answer yet."""
    try:
        return next(streamed.chunks, b"") + next(streamed.chunks, b"")
    except BaseException:
        _closed(streamed.chunks)
        raise
