"""The life that the store lives: whether rows that were acknowledged may be gone since.

The nodes of a cluster are emptied one by one. So it keeps not one word but many, each in a slot
of its own, which moves with its slot and is gone when the node that holds it comes back empty.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from provender.core.digest import digest
from provender.online.options import Client, Topology
from provender.online.topology import SLOTS, slot_of

EPOCH = b"provender:epoch"
STRETCH = 128
"""So many neighbouring slots share one word: whoever serves twice as many has a word at least."""


@dataclass(frozen=True, slots=True)
class State:
    """The store, or a node of it, was emptied where ``epoch`` differs from an earlier state.

    It was started again, or another server took over, where ``replid`` differs: then the rows
    written last may be lost. On a cluster, ``replid`` lists those of all primaries.
    """

    epoch: str
    replid: str


@cache
def epoch_keys(topology: Topology) -> tuple[bytes, ...]:
    """Return where the words lie: one, or on a cluster one in every stretch of slots."""
    if topology is not Topology.CLUSTER:
        return (EPOCH,)
    found: dict[int, bytes] = {}
    number = 0
    while len(found) < SLOTS // STRETCH:
        key = b"%b:{%d}" % (EPOCH, number)
        found.setdefault(slot_of(key) // STRETCH, key)
        number += 1
    return tuple(found[stretch] for stretch in sorted(found))


def epoch_of(client: Client, topology: Topology) -> str:
    """Return a word that the store keeps as long as no node of it is emptied."""
    words = _words(client, topology)
    if None in words:
        with client.pipeline(transaction=False) as pipeline:
            for key, word in zip(epoch_keys(topology), words, strict=True):
                if word is None:
                    pipeline.set(key, secrets.token_hex(8), nx=True)
            pipeline.execute()
        words = _words(client, topology)
    return epoch_in(words)


def state_of(client: Client, topology: Topology) -> State:
    """Return the state, by asking all primaries."""
    if topology is Topology.CLUSTER:
        told = client.info("replication", target_nodes=client.PRIMARIES)
        # redis-py gives what one node says as it is, and what several say by their names
        nodes = [told] if "master_replid" in told else list(told.values())
    else:
        nodes = [client.info("replication")]
    replids = sorted(str(node["master_replid"]) for node in nodes)
    return State(epoch_of(client, topology), ",".join(replids))


def _words(client: Client, topology: Topology) -> list[bytes | None]:
    with client.pipeline(transaction=False) as pipeline:
        for key in epoch_keys(topology):
            pipeline.get(key)
        return list(pipeline.execute())


def epoch_in(words: Sequence[bytes | None]) -> str:
    """Return the word of `epoch_of` from what lies at all `epoch_keys`; empty if nothing does.

    It is another one if some are gone.
    """
    told = [word.decode() if word else "" for word in words]
    if not any(told):
        return ""
    return told[0] if len(told) == 1 else digest(told)
