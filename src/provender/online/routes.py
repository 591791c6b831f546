"""Reading by key from whatever holds the keys: one server, a sentinel's primary, a cluster.

A question is put again, until its deadline, where the answer was that somebody else is to be
asked: MOVED and ASK, READONLY, a lost connection to what was the primary.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import hiredis

from provender.online.epoch import Epoch
from provender.online.link import Links
from provender.online.options import StoreOptions, Topology
from provender.online.resp import (
    Refused,
    ReplyError,
    Words,
    command,
    elsewhere,
    mget,
)
from provender.online.topology import Node, SlotMap, find_primary, find_slots, slot_of

AGAIN_SECONDS = 0.05
"""Between two attempts, while a cluster or the sentinels make up their minds."""
ASKING = command("ASKING")
LOST = (OSError, hiredis.ProtocolError)
T = TypeVar("T")


class Route(Protocol):
    """How rows are read. Instants are `time.monotonic`'s."""

    def read(
        self, keys: Sequence[bytes], due: float, epoch: Epoch | None = None
    ) -> list[bytes | None]:
        """Return the row of each key; raise OSError, Refused or hiredis.ProtocolError.

        ``epoch`` sees its words first, where one server has all keys; else that of the lease.
        """

    def call(self, commands: Sequence[Words], due: float) -> list[Any]:
        """Return the reply to each command; raise as `read`.

        They may be sent twice, and the second word of each is a key.
        """

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

    def read(
        self, keys: Sequence[bytes], due: float, epoch: Epoch | None = None
    ) -> list[bytes | None]:
        return self._asked(lambda links: links.read(keys, due, epoch), due)

    def call(self, commands: Sequence[Words], due: float) -> list[Any]:
        return self._asked(lambda links: links.call(commands, due), due)

    def close(self) -> None:
        links, self._links = self._links, None
        if links is not None:
            links.close()

    def _asked(self, ask: Callable[[Links], T], due: float) -> T:
        while True:
            try:
                return ask(self._primary(due))
            except (*LOST, Refused) as error:
                self.close()
                if not _worth_waiting(error, due):
                    raise

    def _primary(self, due: float) -> Links:
        links = self._links
        if links is None:
            links = Links(self._options.endpoint(*find_primary(self._options, due)))
            self._links = links
        return links


@dataclass(slots=True, eq=False)
class Part:
    """What is asked of one node: the keys ``at`` some places, of ``slot``.

    While a slot moves, its new node is the ``target`` of keys that are asked one by one.
    """

    slot: int
    at: list[int]
    target: Node | None = None

    def singles(self) -> "list[Part]":
        return [Part(self.slot, [at]) for at in self.at]


class Sharded:
    """Reads from the nodes of a cluster, all of them at once; the map is corrected by answers."""

    def __init__(self, options: StoreOptions) -> None:
        self._options = options
        self._map: SlotMap | None = None
        self._nodes: dict[Node, Links] = {}

    def read(
        self, keys: Sequence[bytes], due: float, epoch: Epoch | None = None
    ) -> list[bytes | None]:
        leased = epoch.leased_key if epoch is not None else b""
        if leased:
            keys = [*keys, leased]
        rows: list[bytes | None] = [None] * len(keys)
        parts = [Part(slot, at) for slot, at in positions_by_slot(keys).items()]
        while parts:
            try:
                parts = self._round(keys, rows, parts, due)
            except LOST as error:
                self._map = None
                if not _worth_waiting(error, due):
                    raise
        if leased and epoch is not None:
            epoch.told.take(rows.pop())
        return rows

    def call(self, commands: Sequence[Words], due: float) -> list[Any]:
        return [self._call(words, due) for words in commands]

    def close(self) -> None:
        nodes, self._nodes = self._nodes, {}
        for links in nodes.values():
            links.close()

    def _call(self, words: Words, due: float) -> Any:
        key = words[1]
        part = Part(slot_of(key.encode() if isinstance(key, str) else key), [0])
        while True:
            try:
                [node] = self._by_node([part], due)
                asking = ASKING if part.target else b""
                text = asking + command(*words)
                reply = self._links(node).ask(text, 1 + bool(asking), due)[-1]
                if not isinstance(reply, ReplyError):
                    return reply
                self._sent_on(part, Refused(str(reply)), node, due)
            except LOST as error:
                self._map = None
                if not _worth_waiting(error, due):
                    raise

    def _round(
        self, keys: Sequence[bytes], rows: list[bytes | None], parts: list[Part], due: float
    ) -> list[Part]:
        """Ask every node once; fill ``rows``; return what is to be asked again."""
        left: list[Part] = []
        for node, some in self._by_node(parts, due).items():
            texts = [mget([keys[at] for at in part.at]) for part in some]
            asking = [ASKING if part.target else b"" for part in some]
            text = b"".join(part for both in zip(asking, texts, strict=True) for part in both)
            count = len(some) + sum(map(bool, asking))
            replies = iter(self._links(node).ask(text, count, due))
            for part in some:
                if part.target:
                    next(replies)
                reply = next(replies)
                if isinstance(reply, ReplyError):
                    left += self._sent_on(part, Refused(str(reply)), node, due)
                    continue
                for at, row in zip(part.at, reply, strict=True):
                    rows[at] = row
        return left

    def _sent_on(self, part: Part, refused: Refused, node: Node, due: float) -> list[Part]:
        """Return what to ask instead, after a little while if only that helps."""
        part.target = None
        target = elsewhere(refused, node[0])
        if target is not None and not target.asking:
            self._map = None
        elif target is not None and len(part.at) == 1:
            part.target = (target.host, target.port)
        elif len(part.at) > 1 and (target is not None or refused.word == "TRYAGAIN"):
            return part.singles()
        elif refused.word != "TRYAGAIN" or not _worth_waiting(refused, due):
            self._map = None
            raise refused
        return [part]

    def _by_node(self, parts: list[Part], due: float) -> dict[Node, list[Part]]:
        known = self._map
        if known is None:
            known = self._map = find_slots(self._options, list(self._nodes), due)
        asked: dict[Node, list[Part]] = defaultdict(list)
        for part in parts:
            node = part.target or known.owners[part.slot]
            if node is None:
                self._map = None
                raise Refused(f"CLUSTERDOWN nobody serves slot {part.slot}")
            asked[node].append(part)
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
