"""A proxy in front of a server that can delay what goes through it, or swallow it."""

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Self

from tests.online.servers import free_port

CHUNK = 65_536


class Proxy:
    """Forwards connections to a port of this machine, or to a UNIX socket; what it does to them can be changed meanwhile.

    ``delay`` is in seconds, for each piece that goes towards the server. A ``silent`` proxy takes
    connections and bytes and passes nothing on: what a host does whose network is gone.
    """

    def __init__(self, target: int | Path) -> None:
        self.port = free_port()
        self.delay = 0.0
        self.silent = False
        self._target = target
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *failure: object) -> None:
        if self._loop is not None and self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        under_way: set[asyncio.Task[None]] = set()

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            under_way.add(task)
            with contextlib.suppress(asyncio.CancelledError):  # the test is over
                await self._forward(reader, writer)
            under_way.discard(task)

        server = await asyncio.start_server(forward, "127.0.0.1", self.port)
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in list(under_way):
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await self._connect()
        except OSError:
            writer.close()
            return
        ways = [
            asyncio.create_task(self._pass(reader, back, slow=True)),
            asyncio.create_task(self._pass(there, writer, slow=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for stream in (back, writer):
                stream.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.silent:
                    continue
                if slow and self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
