"""Reading on an event loop: each question gets its own answer or an error, and in time."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis
import uvloop

from provender.core.errors import Unavailable
from provender.online.embedded import EmbeddedServer
from provender.online.options import from_url
from provender.online.store import OnlineStore
from provender.online.stream import Stream
from tests.online.proxy import Proxy
from tests.online.servers import free_port, started

COUNT = 2000
KEYS = [b"k%d" % n for n in range(COUNT)]
VALUES = [None if n % 5 == 0 else b"value of %d" % n for n in range(COUNT)]


@pytest.fixture
def filled(store: OnlineStore, server: EmbeddedServer) -> OnlineStore:
    with redis.Redis.from_url(server.url) as client:
        client.mset({k: v for k, v in zip(KEYS, VALUES, strict=True) if v is not None})
    return store


@pytest.fixture
def proxy(server: EmbeddedServer, filled: OnlineStore) -> Iterator[Proxy]:
    with Proxy(from_url(server.url).unix_socket_path) as running:
        yield running


@asynccontextmanager
async def reading(url: str, **options) -> AsyncIterator[Stream]:
    stream = Stream(from_url(url), **options)
    try:
        yield stream
    finally:
        await stream.close()


async def ask(stream: Stream, rng: random.Random) -> str:
    """Ask for some keys, sometimes without waiting for the answer; say what came of it."""
    at = [rng.randrange(COUNT) for _ in range(rng.choice((0, 1, 1, 2, 3, 40)))]
    await asyncio.sleep(rng.random() * 3)
    task = asyncio.ensure_future(stream.read([KEYS[n] for n in at]))
    try:
        if rng.random() < 0.2:
            rows = await asyncio.wait_for(task, rng.random() * 0.01)
        else:
            rows = await task
    except TimeoutError:
        return "cancelled"
    except Unavailable:
        return "unavailable"
    assert rows == [VALUES[n] for n in at]
    return "answered"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_ten_thousand_questions_get_their_own_answer_or_none(proxy: Proxy, run) -> None:
    rng = random.Random(4)

    async def disturb() -> None:
        for delay in (0.0, 0.002, 0.2, 0.0, 0.01, 0.3, 0.0):
            proxy.delay = delay
            await asyncio.sleep(0.35)
            await asyncio.to_thread(proxy.cut)
        proxy.swallowing = True
        await asyncio.sleep(0.2)
        proxy.swallowing = False

    async def main() -> list[str]:
        async with reading(proxy.url, deadline=0.1) as stream:
            asked = (ask(stream, rng) for _ in range(10_000))
            answers, _ = await asyncio.gather(asyncio.gather(*asked), disturb())
            assert await until_served(stream, KEYS[:9]) == VALUES[:9]
            assert stream._keys == 0
            return answers

    answers = run(main())
    counted = {word: answers.count(word) for word in ("answered", "cancelled", "unavailable")}
    assert min(counted.values()) > 20, counted
    assert counted["answered"] > 1000, counted
    assert proxy.connections > 3


def test_questions_of_one_turn_are_one_command(server: EmbeddedServer, filled) -> None:
    async def main() -> None:
        async with reading(server.url) as stream:
            await stream.read(KEYS[:1])
            before = calls(server)
            rows = await asyncio.gather(*(stream.read(KEYS[n : n + 3]) for n in range(200)))
            assert rows == [VALUES[n : n + 3] for n in range(200)]
            assert calls(server) == before + 1

    asyncio.run(main())


def calls(server: EmbeddedServer) -> int:
    with redis.Redis.from_url(server.url) as client:
        return int(client.info("commandstats")["cmdstat_mget"]["calls"])


def test_a_late_answer_drops_the_connection_and_the_next_question_is_served(proxy: Proxy) -> None:
    async def main() -> None:
        async with reading(proxy.url, deadline=0.15) as stream:
            assert await stream.read(KEYS[:3]) == VALUES[:3]
            proxy.delay = 0.25
            started_at = time.monotonic()
            with pytest.raises(Unavailable, match=r"no answer within 0\.15 s"):
                await stream.read(KEYS[3:5])
            assert 0.1 < time.monotonic() - started_at < 0.24
            proxy.delay = 0.0
            for n in range(5, 50):
                assert await stream.read(KEYS[n : n + 2]) == VALUES[n : n + 2]
            assert stream.connections == 2

    asyncio.run(main())


def test_more_keys_than_may_be_under_way_are_refused_at_once(proxy: Proxy) -> None:
    async def main() -> None:
        async with reading(proxy.url, deadline=0.5, keys_in_flight=100) as stream:
            proxy.delay = 0.2
            first = asyncio.ensure_future(stream.read(KEYS[:90]))
            await asyncio.sleep(0.02)
            started_at = time.monotonic()
            with pytest.raises(Unavailable, match="90 keys are being read; 11 more"):
                await stream.read(KEYS[:11])
            assert time.monotonic() - started_at < 0.05
            assert await stream.read(KEYS[:10]) == VALUES[:10]
            assert await first == VALUES[:90]
            assert await stream.read(KEYS[:100]) == VALUES[:100]

    asyncio.run(main())


def test_a_cut_connection_is_replaced_without_a_failed_lookup(proxy: Proxy) -> None:
    made: list[int] = []

    async def main() -> None:
        async with reading(proxy.url, on_connect=lambda: made.append(1)) as stream:
            for n in range(6):
                assert await stream.read(KEYS[n : n + 4]) == VALUES[n : n + 4]
                await asyncio.to_thread(proxy.cut)
            assert stream.connections == len(made) == 6

    asyncio.run(main())


def test_a_dead_server_is_told_at_once_and_served_again_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()

    async def main() -> None:
        async with reading(f"redis://127.0.0.1:{port}/0") as stream:
            started_at = time.monotonic()
            answers = await asyncio.gather(
                *(stream.read([b"k"]) for _ in range(50)), return_exceptions=True
            )
            assert {type(answer) for answer in answers} == {Unavailable}
            assert time.monotonic() - started_at < 0.5
            with started(tmp_path, port):
                assert await until_served(stream, [b"k"]) == [None]
            with pytest.raises(Unavailable):
                await stream.read([b"k"])

    asyncio.run(main())


async def until_served(stream: Stream, keys: list[bytes]) -> list[bytes | None]:
    for _ in range(200):
        try:
            return await stream.read(keys)
        except Unavailable:
            await asyncio.sleep(0.02)
    raise AssertionError("it is never served again")


def test_commands_are_answered_among_lookups(server: EmbeddedServer, filled) -> None:
    async def main() -> None:
        async with reading(server.url) as stream:
            told = await asyncio.gather(
                stream.read(KEYS[1:3]), stream.command("HGETALL", "none"), stream.read(KEYS[3:4])
            )
            assert told == [VALUES[1:3], [], VALUES[3:4]]
            with pytest.raises(Unavailable, match="refuses: WRONGTYPE"):
                await stream.command("HGETALL", KEYS[1])

    asyncio.run(main())


def test_a_reader_that_is_closed_answers_nobody(proxy: Proxy) -> None:
    async def main() -> None:
        stream = Stream(from_url(proxy.url))
        proxy.delay = 0.2
        under_way = asyncio.ensure_future(stream.read(KEYS[:2]))
        await asyncio.sleep(0.05)
        await stream.close()
        with pytest.raises(Unavailable, match="the reader was closed"):
            await under_way
        with pytest.raises(Unavailable, match="the reader was closed"):
            await stream.read(KEYS[:2])

    asyncio.run(main())


def test_the_secret_of_a_refused_user_is_not_shown(server: EmbeddedServer) -> None:
    path = from_url(server.url).unix_socket_path

    async def main() -> None:
        async with reading(f"unix://stranger:hush@{path}") as stream:
            with pytest.raises(Unavailable, match="refuses: WRONGPASS") as caught:
                await stream.read([b"k"])
            assert "hush" not in str(caught.value)

    asyncio.run(main())
