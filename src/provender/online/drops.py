"""Deleting rows that were read, unless they changed since: who wrote another meanwhile keeps it."""

from collections.abc import Iterator, Sequence

from provender.online.options import Client, Topology
from provender.online.routes import positions_by_slot
from provender.online.script import CHUNK_ROWS

DROP = """
local dropped = 0
for i = 1, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[i] then
    dropped = dropped + redis.call('UNLINK', KEYS[i])
  end
end
return dropped
"""
Pairs = Sequence[tuple[bytes, bytes]]


def drop_unchanged(client: Client, pairs: Pairs, topology: Topology) -> int:
    """Delete each key that still holds the row given with it; count them."""
    script = client.register_script(DROP)
    return sum(
        int(script(keys=[key for key, _ in some], args=[row for _, row in some]))
        for some in _together(pairs, sharded=topology is Topology.CLUSTER)
    )


def _together(pairs: Pairs, *, sharded: bool) -> Iterator[Pairs]:
    """Yield the pairs that one script may be given: on a cluster, some of one slot."""
    slots = positions_by_slot([key for key, _ in pairs]) if sharded else {0: range(len(pairs))}
    for places in slots.values():
        for start in range(0, len(places), CHUNK_ROWS):
            yield [pairs[at] for at in places[start : start + CHUNK_ROWS]]
