"""Reading the online store from an event loop: lookups of one tick become one request.

Many small requests cost Redis and the socket more than one large one. What is asked for in
the same turn of the loop is sent as one MGET; a lookup waits for nothing else.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

from redis.exceptions import RedisError

from provender.online.options import Client, StoreOptions, Topology, disconnect_async, unavailable

MERGED_KEYS = 2000
"""A request of more keys goes alone, so that it delays nobody."""

Waiting = tuple[list[bytes], "asyncio.Future[list[bytes | None]]"]


class AsyncReader:
    """Reads rows for lookups on one event loop."""

    def __init__(self, options: StoreOptions) -> None:
        self.options = options
        self._client: Client = options.connect_async()
        self._waiting: list[Waiting] = []
        self._waiting_keys = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the row of each key, None where there is none.

        Raises:
            Unavailable: the store does not answer.
        """
        if not keys:
            return []
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[bytes | None]] = loop.create_future()
        if self._waiting_keys + len(keys) > MERGED_KEYS:
            self._send()
        if not self._waiting:
            loop.call_soon(self._send)
        self._waiting.append((list(keys), answer))
        self._waiting_keys += len(keys)
        return await answer

    async def close(self) -> None:
        """Close the connections; lookups under way fail."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await disconnect_async(self._client)

    def _send(self) -> None:
        waiting, self._waiting, self._waiting_keys = self._waiting, [], 0
        if not waiting:
            return
        task = asyncio.get_running_loop().create_task(self._answer(waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, waiting: list[Waiting]) -> None:
        keys = [key for wanted, _ in waiting for key in wanted]
        try:
            rows = await self._fetch(keys)
        except (RedisError, OSError) as error:
            for _, answer in waiting:
                if not answer.done():
                    answer.set_exception(unavailable(self.options, error))
            return
        except asyncio.CancelledError:
            for _, answer in waiting:
                answer.cancel()
            raise
        at = 0
        for wanted, answer in waiting:
            if not answer.done():
                answer.set_result(rows[at : at + len(wanted)])
            at += len(wanted)

    async def _fetch(self, keys: list[bytes]) -> list[bytes | None]:
        if self.options.topology is Topology.CLUSTER:
            return cast("list[bytes | None]", await self._client.mget_nonatomic(keys))
        return cast("list[bytes | None]", await self._client.mget(keys))
