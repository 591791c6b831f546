"""The gate to the lake: whoever sends or reads nothing is not waited for, and the disk does not fill."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from provender.api.app import application
from provender.api.gate import WAITING, Gate, Stream
from provender.catalog.local import LocalCatalog
from provender.core.errors import Busy, TooLarge, Unavailable
from provender.core.gateway import Streamed
from provender.core.identity import LOCAL, Mode
from provender.sdk.gateway import LakeGateway
from provender.settings import Settings
from tests.api.server import by_test_token


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


def received(at: Gate, chunks: AsyncIterator[bytes], actor: str = "") -> bytes:
    with at.body(actor) as body:
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


@pytest.mark.parametrize(("at_once", "most"), [(2, 1), (3, 2), (4, 2), (5, 3)])
def test_one_actor_has_half_of_the_turns_and_others_find_room(
    tmp_path: Path, at_once: int, most: int
) -> None:
    at = gate(tmp_path, at_once=at_once)
    with ExitStack() as held:
        for _ in range(most):
            held.enter_context(at.turn("ana"))
        with (
            pytest.raises(Busy, match=f"^{most} retrievals of yours are at work") as error,
            at.turn("ana"),
        ):
            pass
        assert (error.value.status, error.value.retry_after) == (429, 2)
        with pytest.raises(Busy, match="of yours are at work"):
            received(at, sent(b"rows"), "ana")
        assert received(at, sent(b"rows"), "bo") == b"rows"
        for _ in range(at_once - most):
            held.enter_context(at.turn("bo"))
        with pytest.raises(Busy, match=f"^{at_once} retrievals are at work"), at.turn("cy"):
            pass
    assert at.inside == 0
    with at.turn("ana"):
        assert at.inside == 1


def test_a_single_turn_is_for_anybody_and_all_turns_for_one_who_is_everybody(
    tmp_path: Path,
) -> None:
    with gate(tmp_path).turn("ana"):
        pass
    at = gate(tmp_path, at_once=4)
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(at.turn())
        with pytest.raises(Busy, match=r"^4 retrievals are at work"), at.turn():
            pass


def test_bodies_of_one_actor_take_half_of_what_bodies_may(tmp_path: Path) -> None:
    at, most = gate(tmp_path), WAITING * 1000 // 2
    with ExitStack() as held:
        for _ in range(most // 1000):
            asyncio.run(held.enter_context(at.body("ana")).receive(sent(b"x" * 1000)))
        with pytest.raises(Busy, match="as many rows of yours wait for their turn as may be"):
            received(at, sent(b"x"), "ana")
        assert at.waiting == most
        assert received(at, sent(b"x" * 1000), "bo") == b"x" * 1000
    assert at.waiting == 0
    assert received(at, sent(b"x" * 1000), "ana") == b"x" * 1000


@pytest.mark.parametrize(("mode", "said"), [(LOCAL, "not-found"), (Mode(mode="governed"), "busy")])
def test_only_where_one_person_asks_may_they_have_all_turns(
    tmp_path: Path, mode: Mode, said: str
) -> None:
    at = gate(tmp_path, at_once=2)

    async def asked(api: FastAPI, actor: str) -> str:
        headers = {"authorization": f"Bearer {actor}"}
        transport = httpx.ASGITransport(api)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get("/retrieve?dataset=no.rows", headers=headers)
            return str(answer.json()["error"]["code"])

    with LocalCatalog(f"sqlite:///{tmp_path}/catalog.db", actor="service:api") as catalog:
        api = application(
            lambda identity, request: catalog.as_actor(identity, request=request),
            identify=by_test_token,
            mode=mode,
            gate=at,
        )
        with at.turn("person:ana"):
            assert asyncio.run(asked(api, "person:ana")) == said
            assert asyncio.run(asked(api, "person:bo")) == "not-found"


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
