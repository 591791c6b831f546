"""The audit trail as a bundle: lines of JSON that prove themselves with a public key alone.

The first line says which events follow, and the tree and the digest before them. Then come the public
keys, and the events as they are stored, each checkpoint right behind its last event. The same
range is the same bytes. `tools/verify_audit.py` reads it, and so does whoever looks for something.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provender.catalog import auditors, changes, checkpoints, proving
from provender.catalog.door import Door
from provender.catalog.rows import AuditRow
from provender.core.audit import TRAIL, EventKind, StoredEvent
from provender.core.digest import canonical
from provender.core.errors import InvalidInput
from provender.core.policy import Action
from provender.core.trail import CHANGED, Breach

FORMAT = "provender audit bundle 1"
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers of the first and the last event of a bundle."""

    first: int
    last: int


def export(
    door: Door, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[bytes]:
    """Return the lines of the bundle, from ``since`` on and before ``until``, read as they are taken.

    That it was taken is an event. A bundle without ``until`` ends with it, signed.

    Raises:
        Denied: the actor may not read the whole trail.
        InvalidInput: no event is in that range.
        Corrupt: while it is read: an event is not as it was written; the lines end before it.
    """
    with door.writing(Action.READ, Action.GOVERN) as (db, change):
        auditors.check(db, door.who(db), now=change.at)
        asked = {"since": since, "until": until}
        told = changes.tell(db, change, EventKind.AUDIT_EXPORT, TRAIL, asked)
        sealing = checkpoints.sealing_of(db)
        if sealing is not None and until is None:
            checkpoints.make(db, sealing, told)
        wanted = _range(db, since, until)
        keys = sealing.keys.public() if sealing else {}
    return _lines(door, wanted, keys, until)


def _range(db: Session, since: datetime | None, until: datetime | None) -> Range:
    numbers = select(func.min(AuditRow.sequence), func.max(AuditRow.sequence))
    if since is not None:
        numbers = numbers.where(AuditRow.at >= since)
    if until is not None:
        numbers = numbers.where(AuditRow.at < until)
    first, last = db.execute(numbers).one()
    if first is None:
        raise InvalidInput("no audit event is in that range", hint="ask for a longer one")
    return Range(first, last)


def _lines(
    door: Door, wanted: Range, keys: dict[str, bytes], until: datetime | None
) -> Iterator[bytes]:
    with door.reading() as db:
        before = checkpoints.grown(db, wanted.first - 1)
    yield _line(
        format=FORMAT,
        first=wanted.first,
        last=wanted.last,
        until=until,
        head=before.head,
        peaks=[peak.hex() for peak in before.tree.peaks],
    )
    for name, public in sorted(keys.items()):
        yield _line(key={"id": name, "public": public.hex()})
    for begin in range(wanted.first, wanted.last + 1, BATCH):
        yield from _batch(door, begin, min(begin + BATCH - 1, wanted.last))


def _batch(door: Door, begin: int, end: int) -> list[bytes]:
    """The lines of some events, read in a transaction of their own."""
    with door.reading() as db:
        found = list(proving.events(db, after=begin - 1, until=end))
        made = {one.size: one for one in checkpoints.since(db, begin, until=end)}
    lines = []
    for due, event in enumerate(found, begin):
        if event is None or event.sequence != due:
            raise Breach(sequence=due, says=CHANGED).as_error()
        lines.append(_event(event))
        if due in made:
            lines.append(_line(checkpoint=made[due]))
    return lines


def _event(event: StoredEvent) -> bytes:
    """An event as it is stored: its detail is the very text."""
    said = {name: getattr(event, name) for name in event.__slots__ if name != "detail"}
    rest = canonical(said)
    return f'{{"event":{{"detail":{event.detail},{rest[1:]}}}\n'.encode()


def _line(**said: object) -> bytes:
    return f"{canonical(said)}\n".encode()
