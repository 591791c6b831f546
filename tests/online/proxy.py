"""A proxy before a real server: delays answers, swallows them, cuts connections, speaks TLS."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65_536


class Proxy:
    """Passes connections on to ``target``: a port of this machine, or the path of a socket.

    ``delay`` seconds pass before each piece of an answer. ``swallowing``: answers are read and
    thrown away, as with a server that is half gone; a connection that lost an answer gives no
    more, as TCP has no gaps. Both may be changed while it runs.
    """

    def __init__(self, target: int | str, *, tls: ssl.SSLContext | None = None) -> None:
        self.delay = 0.0
        self.swallowing = False
        self.connections = 0
        self.port = 0
        self._target = target
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._ended: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """End all connections at once; new ones are taken."""
        done = threading.Event()

        def abort() -> None:
            for writer in self._writers:
                writer.transport.abort()
            done.set()

        self._loop.call_soon_threadsafe(abort)
        done.wait(5)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._ended is not None
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(5)

    def _run(self) -> None:
        with _closing_loop(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._ended.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.CancelledError):
            if isinstance(self._target, str):
                near = await asyncio.open_unix_connection(self._target)
            else:
                near = await asyncio.open_connection("127.0.0.1", self._target)
            ends = {writer, near[1]}
            self._writers |= ends
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, near[1], answers=False))
                    group.create_task(self._pump(near[0], writer, answers=True))
            finally:
                self._writers -= ends
                for end in ends:
                    end.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        swallowed = False
        with suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                if answers and self.delay:
                    await asyncio.sleep(self.delay)
                swallowed = swallowed or (answers and self.swallowing)
                if swallowed:
                    continue
                target.write(data)
                await target.drain()
        target.transport.abort()


@contextmanager
def _closing_loop(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    try:
        yield
    finally:
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
