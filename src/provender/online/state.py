"""The life that the store lives: whether rows that were acknowledged may be gone since."""

import secrets
from dataclasses import dataclass

from provender.online.options import Client, Topology

EPOCH = b"provender:epoch"


@dataclass(frozen=True, slots=True)
class State:
    """The store was emptied where ``epoch`` differs from an earlier state.

    It was started again, or another server took over, where ``replid`` differs: then the rows
    written last may be lost. On a cluster, ``replid`` lists those of all primaries.
    """

    epoch: str
    replid: str


def epoch_of(client: Client) -> str:
    """Return a word that the store keeps as long as it is not emptied."""
    client.set(EPOCH, secrets.token_hex(8), nx=True)
    return str(client.get(EPOCH).decode())


def state_of(client: Client, topology: Topology) -> State:
    """Return the state, by asking all primaries."""
    if topology is Topology.CLUSTER:
        told = client.info("replication", target_nodes=client.PRIMARIES)
        # redis-py gives what one node says as it is, and what several say by their names
        nodes = [told] if "master_replid" in told else list(told.values())
    else:
        nodes = [client.info("replication")]
    return State(epoch_of(client), ",".join(sorted(str(node["master_replid"]) for node in nodes)))
