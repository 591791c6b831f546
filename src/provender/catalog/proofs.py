"""What the audit trail says happened, against what the tables say: it is chained, they are not.

The trail has the digest of every manifest, contract and certificate, what was said of every
training set and model, and the word of everything that went.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from provender.catalog.checkpoints import sealing_of
from provender.catalog.rows import (
    AuditRow,
    ContractRow,
    DatasetNameRow,
    DatasetRow,
    ErasureRow,
    ModelRow,
    RepresentationRow,
    TrainingSetRow,
    VersionRow,
)
from provender.catalog.signing import is_attested
from provender.core.audit import EventKind
from provender.core.digest import digest, digest_bytes
from provender.core.erasure import Erasure, State

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
    yield from _certified(db)


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
    manifest, content = row.value.manifest, event.detail.get("content")
    if content is None:  # told until ADR 0043; since then the manifest alone vouches for the rows
        manifest = replace(manifest, whole="")
    said = {
        "manifest": (manifest.digest, event.detail.get("manifest")),
        "content": (manifest.content, content),
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
    """Each is what its first maker recorded; the id is made of the question and what answered it."""
    recorded: set[str] = set()
    for events in _batches(db, EventKind.TRAINING_SET_RECORD):
        told: dict[str, AuditRow] = {}
        for event in events:
            if event.subject not in recorded:
                recorded.add(event.subject)
                told[event.subject] = event
        there = db.scalars(select(TrainingSetRow).where(TrainingSetRow.id.in_(list(told))))
        rows = {row.id: row for row in there}
        for identity, event in told.items():
            if identity not in rows:
                yield identity, "was recorded, and is not there"
            else:
                yield from _made_otherwise(rows[identity], event)
    for identity in db.scalars(select(TrainingSetRow.id)):
        if identity not in recorded:
            yield identity, "is a training set that nobody recorded"


def _made_otherwise(row: TrainingSetRow, event: AuditRow) -> Wrong:
    made = row.value
    here = {
        "service": made.spec.service,
        "purpose": made.spec.purpose,
        "pins": [str(pin) for pin in made.pins],
        "rows": made.row_count,
        "decision": made.decision,
        "content": made.content_digest,
        "said": made.said,
    }
    then = {what: event.detail.get(what, here[what]) for what in here}  # older events tell less
    here |= {"maker": made.created_by, "id": made.id, "project": made.spec.project}
    then |= {"maker": event.actor, "id": row.id, "project": row.project}
    here["time"], then["time"] = made.created_at, row.created_at
    if wrong := _other(here, then):
        yield row.id, f"says other {wrong} than when it was recorded"


def _learnt(db: Session) -> Wrong:
    """Of models the trail has the name that they had then: it may be another in the same project."""
    told = {
        (_own(event.subject), event.detail["training_set"], event.detail["artifact"]): event
        for events in _batches(db, EventKind.MODEL_RECORD)
        for event in events
    }
    projects = select(ModelRow, TrainingSetRow.project).outerjoin(
        TrainingSetRow, TrainingSetRow.id == ModelRow.training_set
    )
    for row, project in db.execute(projects.order_by(ModelRow.name, ModelRow.number)):
        event = told.pop((_own(row.name), row.training_set, row.artifact), None)
        if event is None:
            yield f"model {row.value.id}", "is of a set and an artifact that nobody recorded"
        else:
            yield from _learnt_otherwise(row, project, event)
    for event in told.values():
        yield f"model {event.subject}", "was recorded, and is not there"


def _learnt_otherwise(row: ModelRow, project: str | None, event: AuditRow) -> Wrong:
    said = row.value.trained
    here = {
        "maker": row.value.created_by,
        "time": row.value.created_at,
        "set": said.training_set,
        "artifact": said.artifact,
        "address": said.uri,
        "metrics": dict(said.metrics),
        "description": digest(said.description),
        "project": row.name.rpartition("/")[0],
        "name and number": [row.value.id, f"{row.name}@{row.number}"],
    }
    id_then = event.subject if "/" in event.subject else row.value.id  # before, they had no project
    then = {
        "maker": event.actor,
        "time": event.at,
        "set": row.training_set,
        "artifact": row.artifact,
        "address": event.detail["uri"],
        "metrics": event.detail["metrics"],
        "description": event.detail.get("description", here["description"]),
        "project": here["project"] if project is None else project,
        "name and number": [id_then, id_then],
    }
    if wrong := _other(here, then):
        yield f"model {row.value.id}", f"says another {wrong} than then"


def _other(here: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """What is not as it was, in words."""
    wrong = [what for what in here if here[what] != then[what]]
    return ", ".join(wrong[:-1]) + (" and " if wrong[:-1] else "") + "".join(wrong[-1:])


def _certified(db: Session) -> Wrong:
    """Erasures are as they were signed, where the keys are at hand; done ones as the trail says."""
    sealing = sealing_of(db)
    public = sealing.keys.public() if sealing else {}
    begun = {event.subject for some in _batches(db, EventKind.ERASURE_BEGIN) for event in some}
    known = {event.subject for some in _batches(db, EventKind.ERASURE_RESTORE) for event in some}
    done = {
        event.subject: event.detail["certificate"]
        for some in _batches(db, EventKind.ERASURE_FINISH)
        for event in some
    }
    for row in db.scalars(select(ErasureRow).order_by(ErasureRow.position)):
        value = row.value
        if row.id not in begun | known:
            yield f"erasure {row.id}", "is there, and nobody began it"
        if value.id != row.id or (public and not _is_attested(value, public)):
            yield f"erasure {row.id}", "is not what was signed, or by none of the known keys"
        elif value.state is State.DONE and value.digest != done.get(row.id, value.digest):
            yield f"erasure {row.id}", f"is {value.digest}, certified was {done[row.id]}"
        elif value.state is State.OPEN and row.id in done:
            yield f"erasure {row.id}", "was certified, and is open"
        begun.discard(row.id)
    for identity in sorted(begun):
        yield f"erasure {identity}", "was begun, and is not there"


def _is_attested(erasure: Erasure, public: dict[str, bytes]) -> bool:
    """Whether it is signed; one that a restore put back is as it was before that."""
    states = State if erasure.state is State.RESTORED else [erasure.state]
    return any(is_attested(replace(erasure, state=state), public) for state in states)


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
