"""The servers behind a reader on an event loop: one, a sentinel's primary, or a cluster's nodes.

Looking for servers blocks, so it is done in a thread; the loop goes on meanwhile.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from provender.online.channel import Line
from provender.online.endpoint import Endpoint
from provender.online.options import StoreOptions, Topology
from provender.online.topology import UNUSABLE, Node, SlotMap, find_primary, find_slots

FIND_SECONDS = 2.0


class Fleet:
    """A line per server, made when it is first needed."""

    def __init__(
        self, options: StoreOptions, *, connect_seconds: float, on_connect: Callable[[], None]
    ) -> None:
        self.sharded = options.topology is Topology.CLUSTER
        self._options = options
        self._line = partial(Line, connect_seconds=connect_seconds, on_connect=on_connect)
        self._nodes: dict[Node, Line] = {}
        self._map: SlotMap | None = None
        self._looking: asyncio.Task[None] | None = None
        watched = options.topology is Topology.SENTINEL
        self._only = None if self.sharded else self._line(self._find, blocks=watched)

    def of(self, slot: int) -> Line | None:
        """Return the line to the server of ``slot``; None: that has to be looked for first."""
        if self._only is not None:
            return self._only
        node = self._map.owners[slot] if self._map is not None else None
        return None if node is None else self.at(node)

    def at(self, node: Node) -> Line:
        """Return the line to one node of the cluster."""
        line = self._nodes.get(node)
        if line is None:
            endpoint = self._options.endpoint(*node)
            line = self._nodes[node] = self._line(lambda: endpoint, host=node[0])
        return line

    def look(self, then: Callable[[Exception | None], None]) -> None:
        """Fetch the map of the cluster, unless that is under way; then say what went wrong."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look(then))

    async def close(self) -> None:
        """End all connections."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for line in (*self._nodes.values(), *([self._only] if self._only else [])):
            await line.close()

    async def _look(self, then: Callable[[Exception | None], None]) -> None:
        due = time.monotonic() + FIND_SECONDS
        problem: Exception | None = None
        try:
            self._map = await asyncio.to_thread(find_slots, self._options, list(self._nodes), due)
        except UNUSABLE as error:
            problem = error
        finally:
            self._looking = None
        then(problem)

    def _find(self) -> Endpoint:
        if self._options.topology is Topology.SENTINEL:
            found = find_primary(self._options, time.monotonic() + FIND_SECONDS)
            return self._options.endpoint(*found)
        return self._options.endpoint()
