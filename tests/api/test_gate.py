"""The gate to the lake: whoever sends or reads nothing is not waited for, and the disk does not fill."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from starlette.types import Message

from provender.api.gate import WAITING, Gate, Stream
from provender.core.errors import Busy, TooLarge, Unavailable
from provender.core.gateway import Streamed
from provender.sdk.gateway import LakeGateway
from provender.settings import Settings


def gate(folder: Path, *, at_once: int = 1, seconds: float = 20, largest: int = 1000) -> Gate:
    lake = LakeGateway(Settings(home=folder))
    return Gate(lake, folder, at_once=at_once, seconds=seconds, largest=largest, still=0.1)


async def sent(*pieces: bytes, stalls: bool = False) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    while stalls:
        await asyncio.sleep(60)


async def dripping() -> AsyncIterator[bytes]:
    while True:
        await asyncio.sleep(0.03)
        yield b"."


def received(at: Gate, chunks: AsyncIterator[bytes]) -> bytes:
    with at.body() as body:
        asyncio.run(body.receive(chunks))
        assert at.waiting >= body.size
        return body.file.read_bytes()


def test_a_body_waits_on_the_disk_and_leaves_nothing(tmp_path: Path) -> None:
    at = gate(tmp_path)
    assert received(at, sent(b"rows", b"", b" and more")) == b"rows and more"
    assert at.waiting == 0
    assert not [*tmp_path.rglob("received")]


def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    at = gate(tmp_path)
    with pytest.raises(Unavailable, match=r"5 bytes are there, and for 0\.1 seconds no more"):
        received(at, sent(b"begun", stalls=True))
    with pytest.raises(Unavailable, match=r"or not all within 0\.3"):
        received(gate(tmp_path, seconds=0.3), dripping())
    assert (at.waiting, at.inside) == (0, 0)


def test_bodies_take_so_much_of_the_disk_and_no_more(tmp_path: Path) -> None:
    at = gate(tmp_path)
    with pytest.raises(TooLarge):
        received(at, sent(b"x" * 600, b"x" * 600))
    at.waiting = WAITING * 1000 - 3
    assert received(at, sent(b"abc")) == b"abc"
    with pytest.raises(Busy, match="wait for their turn"):
        received(at, sent(b"abcd"))
    assert at.waiting == WAITING * 1000 - 3


def test_who_would_have_no_turn_anyway_need_not_send(tmp_path: Path) -> None:
    at = gate(tmp_path)
    with at.turn(), pytest.raises(Busy):
        received(at, sent(b"rows"))
    assert received(at, sent(b"rows")) == b"rows"


def test_an_answer_that_nobody_reads_breaks_off(tmp_path: Path) -> None:
    closed = []

    def chunks() -> Iterator[bytes]:
        try:
            yield from [b"more"] * 100
        finally:
            closed.append(True)

    async def unread(message: Message) -> None:
        if message.get("body") == b"more":
            await asyncio.sleep(60)

    async def waiting() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    at = gate(tmp_path)
    with at.turn() as deadline:
        answer = Stream(b"head", Streamed(name="x", chunks=chunks()), deadline, {}, still=at.still)
        with pytest.raises(Unavailable):
            asyncio.run(answer({"type": "http"}, waiting, unread))
    assert closed == [True]
