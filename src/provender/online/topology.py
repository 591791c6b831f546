"""Who holds which keys: slots of a cluster, the primary that sentinels name.

Asks over links of its own, rarely: at the start and when a server fails or points elsewhere.
A slot is CRC16 (XMODEM) of a key's hash tag, modulo 16384: https://redis.io/docs/reference/cluster-spec
"""

import binascii
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import hiredis

from provender.online.link import Link
from provender.online.options import StoreOptions
from provender.online.resp import Refused, answered, command

SLOTS = 16_384
ASK_SECONDS = 0.5
"""For one server when looking for another: a dead one may not use up the whole deadline."""
Node = tuple[str, int]

UNUSABLE = (OSError, Refused, hiredis.ProtocolError)


def slot_of(key: bytes) -> int:
    """Return the cluster's slot of ``key``: of what stands in its first braces, if anything."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return binascii.crc_hqx(key, 0) % SLOTS


@dataclass(frozen=True, slots=True)
class SlotMap:
    """The node of each slot; None: nobody serves it."""

    owners: tuple[Node | None, ...]

    @classmethod
    def of(cls, ranges: Iterable[Sequence[Any]], asked: str) -> "SlotMap":
        """Return the map that CLUSTER SLOTS told; nodes without a name are at ``asked``."""
        owners: list[Node | None] = [None] * SLOTS
        for first, last, primary, *_ in ranges:
            host = primary[0].decode() if primary[0] not in (None, b"", b"?") else asked
            owners[first : last + 1] = [(host, int(primary[1]))] * (last - first + 1)
        return cls(tuple(owners))

    @property
    def nodes(self) -> list[Node]:
        return sorted({owner for owner in self.owners if owner is not None})


def find_slots(options: StoreOptions, known: Iterable[Node], due: float) -> SlotMap:
    """Return the map of the cluster, from the first of the nodes that has one.

    Raises:
        OSError, Refused: none of them has.
    """
    problem: Exception = ConnectionError("no node of the cluster is known")
    for host, port in dict.fromkeys((*known, *options.nodes)):
        try:
            reply = _ask(options, host, port, due, "CLUSTER", "SLOTS")
        except UNUSABLE as error:
            problem = error
        else:
            return SlotMap.of(reply, host)
    raise problem


def find_primary(options: StoreOptions, due: float) -> Node:
    """Return the server that most sentinels call the primary, if it calls itself so too.

    Raises:
        OSError, Refused: no sentinel knows one, or none of those named is one.
    """
    named: Counter[Node] = Counter()
    problem: Exception = ConnectionError(f"no sentinel knows {options.sentinel_master}")
    for host, port in options.nodes:
        try:
            named.update([_named_primary(options, host, port, due)])
        except UNUSABLE as error:
            problem = error
    for node, _ in named.most_common():
        try:
            role = _ask(options, *node, due, "ROLE")[0]
        except UNUSABLE as error:
            problem = error
            continue
        if role == b"master":
            return node
        problem = ConnectionError(f"{node[0]}:{node[1]} is no primary, but {role.decode()}")
    raise problem


def _named_primary(options: StoreOptions, host: str, port: int, due: float) -> Node:
    link = Link(options.watcher(host, port), _sooner(due))
    words = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", options.sentinel_master)
    try:
        named = answered(link.ask(command(*words), 1, _sooner(due))[0])
    finally:
        link.close()
    if named is None:
        raise ConnectionError(f"the sentinels know no {options.sentinel_master}")
    return named[0].decode(), int(named[1])


def _ask(options: StoreOptions, host: str, port: int, due: float, *words: str) -> Any:
    endpoint = options.endpoint(host, port)
    link = Link(endpoint, _sooner(due))
    try:
        return answered(link.ask(command(*words), 1, _sooner(due))[0])
    finally:
        link.close()


def _sooner(due: float) -> float:
    return min(due, time.monotonic() + ASK_SECONDS)
