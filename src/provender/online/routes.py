"""Reading by key from whatever holds the keys: one server, a sentinel's primary, a cluster.

A question is put again, until its deadline, where the answer was that somebody else is to be
asked: MOVED and ASK, READONLY, a lost connection to what was the primary.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import hiredis

from provender.online.link import Links
from provender.online.options import StoreOptions, Topology
from provender.online.resp import (
    Elsewhere,
    Refused,
    ReplyError,
    command,
    elsewhere,
    mget,
)
from provender.online.topology import Node, SlotMap, find_primary, find_slots, slot_of

AGAIN_SECONDS = 0.05
"""Between two attempts, while a cluster or the sentinels make up their minds."""
ASKING = command("ASKING")
LOST = (OSError, hiredis.ProtocolError)


class Route(Protocol):
    """How rows are read. Instants are `time.monotonic`'s."""

    def read(self, keys: Sequence[bytes], due: float) -> list[bytes | None]:
        """Return the row of each key; raise OSError, Refused or hiredis.ProtocolError."""

    def close(self) -> None: ...


def route(options: StoreOptions) -> Route:
    """Return how to read from what ``options`` describe; nothing is connected yet."""
    if options.topology is Topology.CLUSTER:
        return Sharded(options)
    if options.topology is Topology.SENTINEL:
        return Watched(options)
    return Links(options.endpoint())


class Watched:
    """Reads from the primary that sentinels name; asks them again when it is lost."""

    def __init__(self, options: StoreOptions) -> None:
        self._options = options
        self._links: Links | None = None

    def read(self, keys: Sequence[bytes], due: float) -> list[bytes | None]:
        while True:
            try:
                return self._primary(due).read(keys, due)
            except (*LOST, Refused) as error:
                self.close()
                if not _worth_waiting(error, due):
                    raise

    def close(self) -> None:
        links, self._links = self._links, None
        if links is not None:
            links.close()

    def _primary(self, due: float) -> Links:
        links = self._links
        if links is None:
            links = Links(self._options.endpoint(*find_primary(self._options, due)))
            self._links = links
        return links


class Sharded:
    """Reads from the nodes of a cluster, all of them at once; the map is corrected by answers."""

    def __init__(self, options: StoreOptions) -> None:
        self._options = options
        self._map: SlotMap | None = None
        self._nodes: dict[Node, Links] = {}

    def read(self, keys: Sequence[bytes], due: float) -> list[bytes | None]:
        rows: list[bytes | None] = [None] * len(keys)
        waiting = positions_by_slot(keys)
        pointed: dict[int, Elsewhere] = {}
        while waiting:
            try:
                waiting, pointed = self._round(keys, rows, waiting, pointed, due)
            except LOST as error:
                self._map = None
                if not _worth_waiting(error, due):
                    raise
        return rows

    def close(self) -> None:
        nodes, self._nodes = self._nodes, {}
        for links in nodes.values():
            links.close()

    def _round(
        self,
        keys: Sequence[bytes],
        rows: list[bytes | None],
        waiting: dict[int, list[int]],
        pointed: dict[int, Elsewhere],
        due: float,
    ) -> tuple[dict[int, list[int]], dict[int, Elsewhere]]:
        """Ask every node once; fill ``rows``; return what is to be asked again, and where."""
        left: dict[int, list[int]] = {}
        sent_on: dict[int, Elsewhere] = {}
        for node, slots in self._by_node(waiting, pointed, due).items():
            text = b"".join(
                (ASKING if slot in pointed else b"") + mget([keys[at] for at in waiting[slot]])
                for slot in slots
            )
            count = len(slots) + sum(slot in pointed for slot in slots)
            replies = iter(self._links(node).ask(text, count, due))
            for slot in slots:
                if slot in pointed:
                    next(replies)
                reply = next(replies)
                if isinstance(reply, ReplyError):
                    left[slot] = waiting[slot]
                    self._note(slot, Refused(str(reply)), node, sent_on, due)
                    continue
                for at, row in zip(waiting[slot], reply, strict=True):
                    rows[at] = row
        return left, sent_on

    def _note(
        self, slot: int, refused: Refused, node: Node, sent_on: dict[int, Elsewhere], due: float
    ) -> None:
        """Remember where to ask next, or wait a little for what passes."""
        target = elsewhere(refused, node[0])
        if target is None:
            self._map = None
            if refused.word != "TRYAGAIN" or not _worth_waiting(refused, due):
                raise refused
        elif target.asking:
            sent_on[slot] = target
        else:
            self._map = None

    def _by_node(
        self, waiting: dict[int, list[int]], pointed: dict[int, Elsewhere], due: float
    ) -> dict[Node, list[int]]:
        known = self._map
        if known is None:
            known = self._map = find_slots(self._options, list(self._nodes), due)
        asked: dict[Node, list[int]] = defaultdict(list)
        for slot in waiting:
            target = pointed.get(slot)
            node = (target.host, target.port) if target else known.owners[slot]
            if node is None:
                self._map = None
                raise Refused(f"CLUSTERDOWN nobody serves slot {slot}")
            asked[node].append(slot)
        return asked

    def _links(self, node: Node) -> Links:
        links = self._nodes.get(node)
        if links is None:
            links = self._nodes[node] = Links(self._options.endpoint(*node))
        return links


def positions_by_slot(keys: Sequence[bytes]) -> dict[int, list[int]]:
    """Return where the keys of each slot stand."""
    found: dict[int, list[int]] = defaultdict(list)
    for at, key in enumerate(keys):
        found[slot_of(key)].append(at)
    return found


def _worth_waiting(error: Exception, due: float) -> bool:
    """Wait a little and say yes, if there is time and the error is one that passes."""
    if isinstance(error, TimeoutError) or (isinstance(error, Refused) and not error.passes):
        return False
    if time.monotonic() + AGAIN_SECONDS >= due:
        return False
    time.sleep(AGAIN_SECONDS)
    return True
