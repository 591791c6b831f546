"""Whether an audit trail is what was written: every event by its chain, what was signed by its tree.

One pass, in constant memory but for the checkpoints. Pure: who reads the events, and whose
signatures count, is the caller's.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from provender.core.audit import GENESIS, StoredEvent
from provender.core.checkpoints import Checkpoint, leaf_of
from provender.core.errors import Corrupt
from provender.core.merkle import Frontier

Progress = Callable[[str, float], object]
"""Told what is being done, and how much of it is, from 0 to 1."""
Signed = Callable[[Checkpoint], bool]
"""Whether a checkpoint has a signature that counts."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where an examination begins: after the events of ``tree``, of which ``head`` is the last."""

    tree: Frontier = field(default_factory=Frontier)
    head: str = GENESIS


BEGINNING = Start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """The first place where a trail is not what was written: the number of an event, and why."""

    sequence: int
    says: str

    def as_error(self) -> Corrupt:
        """Return the error that tells it."""
        held = self.sequence - 1
        known = f"events 1-{held} hold; " if held else ""
        return Corrupt(
            f"audit event {self.sequence} {self.says}",
            hint=f"{known}compare the rest with a backup",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What an examination found to hold.

    ``events`` fit together; ``checkpoints`` of the catalog and ``witnessed`` ones of the witness
    say the same. ``last`` is the newest checkpoint of the catalog.
    """

    events: int
    checkpoints: int = 0
    witnessed: int = 0
    last: Checkpoint | None = None

    @property
    def since(self) -> int:
        """How many events are chained, but not yet under a checkpoint."""
        return self.events - (self.last.size if self.last else 0)


def examine(
    events: Iterable[StoredEvent | None],
    *,
    stated: Iterable[Checkpoint] = (),
    is_signed: Signed = lambda _: False,
    start: Start = BEGINNING,
) -> int | Breach:
    """Return how many events the trail has if all hold, else the first that does not.

    ``events`` follow ``start``, in order; None is one that cannot be read. ``stated`` are the
    checkpoints that have to be right, from wherever. A cut-off tail is seen by them only.
    """
    awaited: dict[int, list[Checkpoint]] = defaultdict(list)
    for checkpoint in stated:
        awaited[checkpoint.size].append(checkpoint)
    tree, head, proven = start.tree, start.head, start.tree.size
    for event in events:
        if event is None or not event.follows(tree.size + 1, head):
            return Breach(sequence=tree.size + 1, says=CHANGED)
        tree, head = tree.with_leaf(leaf_of(event.digest)), event.digest
        if tree.size not in awaited:
            continue
        for checkpoint in awaited.pop(tree.size):
            if breach := _contradicted(checkpoint, tree, proven=proven, is_signed=is_signed):
                return breach
        proven = tree.size
    missing = [checkpoint for listed in awaited.values() for checkpoint in listed]
    return _cut_off(tree.size, missing, is_signed=is_signed) or tree.size


CHANGED = "does not fit the ones before it: the trail was changed"


def _contradicted(
    checkpoint: Checkpoint, tree: Frontier, *, proven: int, is_signed: Signed
) -> Breach | None:
    """Return what is wrong where ``tree`` has the size of ``checkpoint``; ``proven`` events hold."""
    size = checkpoint.size
    if not is_signed(checkpoint):
        says = f"is where a checkpoint is not signed as it should be, by key {checkpoint.key}"
        return Breach(sequence=size, says=says)
    if checkpoint.root != f"sha256:{tree.root.hex()}":
        says = (
            f"or a later one up to {size} is not the one that was signed: the trail was rewritten"
        )
        return Breach(sequence=proven + 1, says=says)
    return None


def _cut_off(size: int, beyond: list[Checkpoint], *, is_signed: Signed) -> Breach | None:
    """Return what is missing, where signed checkpoints are of more events than there are.

    One that is not signed, or of fewer events than the start, was put there.
    """
    if not beyond:
        return None
    largest = max(beyond, key=lambda one: one.size)
    if not is_signed(largest) or largest.size <= size:
        says = f"is where a checkpoint of {largest.size} events is, that nobody signed"
        return Breach(sequence=min(largest.size, size + 1), says=says)
    says = f"is not there: {largest.size} were signed for at {largest.at.isoformat()}"
    return Breach(sequence=size + 1, says=says)
