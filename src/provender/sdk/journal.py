"""Journals of lookups brought into the audit trail, by whoever has both the disk and the catalog."""

from provender.catalog import lookups
from provender.catalog.door import Door
from provender.online.journal import JournalFolder, summed


def settle(folder: JournalFolder, door: Door) -> int:
    """Write down every closed segment, and those that killed processes left; return the decisions.

    Killed anywhere, it goes on where it was: a segment is moved away after its event is committed,
    and one whose event is there already has no second one.
    """
    folder.adopt()
    told = 0
    for segment in folder.segments():
        found = summed(segment)
        if found.batches == 0:
            segment.unlink()
            continue
        if lookups.record(
            door, found.name, decisions=found.decisions, batches=found.batches, root=found.root
        ):
            told += found.decisions
        folder.keep(segment)
    return told
