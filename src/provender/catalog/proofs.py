"""What the audit trail says happened, against what the tables say: it is chained, they are not.

The trail has the digest of every manifest, contract and training set, the artifact of every model,
and the word of everything that went.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from provender.catalog.rows import (
    AuditRow,
    ContractRow,
    DatasetNameRow,
    DatasetRow,
    ModelRow,
    RepresentationRow,
    TrainingSetRow,
    VersionRow,
)
from provender.core.audit import EventKind
from provender.core.digest import digest_bytes

Wrong = Iterator[tuple[str, str]]
Key = tuple[int, int]
"""A version: the number of its dataset, and its own."""
BATCH = 500


def trail(db: Session) -> Wrong:
    """What was published, converted, promised, made and deleted is there as it was written down."""
    names = {name: number for name, number in db.execute(_names())}  # noqa: C416 - typed
    yield from _published(db, names)
    yield from _represented(db, names)
    yield from _promised(db, names)
    yield from _forgotten(db, names)
    yield from _trained(db)
    yield from _learnt(db)


def _published(db: Session, names: dict[str, int]) -> Wrong:
    counted: Counter[int] = Counter()
    for events in _batches(db, EventKind.DATASET_PUBLISH):
        told = {key: event for event in events if (key := _key(event, names))}
        counted.update(dataset for dataset, _ in told)
        there = select(VersionRow).where(
            tuple_(VersionRow.dataset, VersionRow.number).in_(list(told))
        )
        rows = {(row.dataset, row.number): row for row in db.scalars(there)}
        for key, event in told.items():
            if key not in rows:
                yield event.subject, "was published, and is not there"
            else:
                yield from _differing(rows[key], event)
    versions = (
        select(DatasetRow.id, DatasetRow.name, func.count())
        .join(VersionRow, VersionRow.dataset == DatasetRow.id)
        .group_by(DatasetRow.id, DatasetRow.name)
    )
    for number, name, count in db.execute(versions):
        if count > counted[number]:
            yield name, f"has {count} versions, of which {counted[number]} were published"


def _differing(row: VersionRow, event: AuditRow) -> Wrong:
    manifest = row.value.manifest
    said = {
        "manifest": (manifest.digest, event.detail.get("manifest")),
        "content": (manifest.content, event.detail.get("content")),
        "publisher": (row.value.published_by, event.actor),
    }
    for what, (here, then) in said.items():
        if then is not None and here != then:
            yield event.subject, f"has the {what} {here}, it was published with {then}"


def _represented(db: Session, names: dict[str, int]) -> Wrong:
    told = {
        (*key, event.detail["format"]): event
        for events in _batches(db, EventKind.VERSION_REPRESENT)
        for event in events
        if (key := _key(event, names))
    }
    rows = select(RepresentationRow, VersionRow.content).join(
        VersionRow,
        (VersionRow.dataset == RepresentationRow.dataset)
        & (VersionRow.number == RepresentationRow.number),
    )
    for row, content in db.execute(rows):
        event = told.pop((row.dataset, row.number, row.format), None)
        about = event.subject if event else f"version {row.number} of dataset {row.dataset}"
        said = event.detail.get("manifest") if event else None
        if row.manifest.digest != said:
            yield about, f"as {row.format} is {row.manifest.digest}, it was converted to {said}"
        elif row.manifest.content != content:
            yield about, f"as {row.format} has other rows"
    for event in told.values():
        yield event.subject, f"was converted to {event.detail['format']}, which is not there"


def _promised(db: Session, names: dict[str, int]) -> Wrong:
    last = {
        names[event.subject]: event
        for events in _batches(db, EventKind.CONTRACT_ATTACH)
        for event in events
        if event.subject in names
    }
    for row in db.scalars(select(ContractRow)):
        if digest_bytes(row.raw) != row.sha256:
            yield f"contract {row.id}", f"is not the text whose digest is {row.sha256}"
    in_force = select(ContractRow.dataset, ContractRow.sha256).where(ContractRow.until_at.is_(None))
    there = {number: sha256 for number, sha256 in db.execute(in_force)}  # noqa: C416 - typed
    for number, event in last.items():
        here = there.pop(number, None)
        if here != event.detail["sha256"]:
            yield event.subject, f"has the contract {here}, attached was {event.detail['sha256']}"
    for number in there:
        yield f"dataset {number}", "has a contract that nobody attached"


def _forgotten(db: Session, names: dict[str, int]) -> Wrong:
    told = {
        key: event.subject
        for kind in (EventKind.RETENTION_FORGET, EventKind.VERSION_ERASE)
        for events in _batches(db, kind)
        for event in events
        if (key := _key(event, names))
    }
    gone = select(VersionRow.dataset, VersionRow.number, DatasetRow.name).join(
        DatasetRow, DatasetRow.id == VersionRow.dataset
    )
    for dataset, number, name in db.execute(gone.where(VersionRow.data_gone_at.is_not(None))):
        if told.pop((dataset, number), None) is None:
            yield f"{name}@{number}", "is marked as gone, and nobody let it go"
    for subject in told.values():
        yield subject, "was let go, and is not marked as gone"


def _trained(db: Session) -> Wrong:
    recorded: set[str] = set()
    for events in _batches(db, EventKind.TRAINING_SET_RECORD):
        told = {event.subject: event for event in events if event.subject not in recorded}
        recorded |= told.keys()
        there = db.scalars(select(TrainingSetRow).where(TrainingSetRow.id.in_(list(told))))
        rows = {row.id: row.value for row in there}
        for identity, event in told.items():
            made = rows.get(identity)
            if made is None:
                yield identity, "was recorded, and is not there"
                continue
            pins = [str(pin) for pin in made.pins]
            if (made.content_digest, pins) != (event.detail["content"], event.detail["pins"]):
                yield identity, "says other rows or other pins than when it was recorded"
    for identity in db.scalars(select(TrainingSetRow.id)):
        if identity not in recorded:
            yield identity, "is a training set that nobody recorded"


def _learnt(db: Session) -> Wrong:
    """Of models the trail has the name that they had then: it may be another in the same project."""
    told = {
        (_own(event.subject), event.detail["training_set"], event.detail["artifact"]): event
        for events in _batches(db, EventKind.MODEL_RECORD)
        for event in events
    }
    for row in db.scalars(select(ModelRow).order_by(ModelRow.name, ModelRow.number)):
        event = told.pop((_own(row.name), row.training_set, row.artifact), None)
        said = row.value.trained
        if event is None:
            yield f"model {row.value.id}", "is of a set and an artifact that nobody recorded"
        elif (row.value.created_by, said.uri, dict(said.metrics)) != (
            event.actor,
            event.detail["uri"],
            event.detail["metrics"],
        ):
            yield f"model {row.value.id}", "says another maker, address or metrics than then"
    for event in told.values():
        yield f"model {event.subject}", "was recorded, and is not there"


def _own(name: str) -> str:
    """The name of a model without its project and its version."""
    return name.rpartition("/")[2].partition("@")[0]


def _names() -> Any:
    return select(DatasetNameRow.name, DatasetNameRow.dataset)


def _batches(db: Session, kind: EventKind) -> Iterator[list[AuditRow]]:
    """The events of a kind, oldest first, some at a time."""
    wanted = select(AuditRow).where(AuditRow.kind == kind.value).order_by(AuditRow.sequence)
    found = list(db.scalars(wanted.limit(BATCH)))
    while found:
        last = found[-1].sequence
        yield found
        found = list(db.scalars(wanted.where(AuditRow.sequence > last).limit(BATCH)))


def _key(event: AuditRow, names: dict[str, int]) -> Key | None:
    name, _, number = event.subject.partition("@")
    return (names[name], int(number)) if name in names and number.isdecimal() else None
