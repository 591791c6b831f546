"""Training sets as they are recorded: what they may say of permits, and hang on of definitions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    audit,
    changes,
    consumption,
    datasets,
    features,
    lineage,
    naming,
)
from provender.catalog.audit import Opened
from provender.catalog.changes import Change
from provender.catalog.lineage import RestsOn
from provender.catalog.rows import RepoRow, TrainingSetRow, VersionRow
from provender.core import derivation
from provender.core.audit import EventKind
from provender.core.errors import InvalidInput, NotFound
from provender.core.features import RepoSpec
from provender.core.lineage import NodeKind
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import ColumnRef
from provender.core.training import TrainingSetManifest, check_keyed

Let = Mapping[str, Sequence[Opened]]
"""What a decision let somebody read, by the datasets' names now."""


def record(db: Session, by: Actor, manifest: TrainingSetManifest, *, change: Change) -> None:
    """Write down what a training set was made of, and that ``by`` made it.

    Of one that was made before the first manifest is kept; its id is one maker's, with whom its
    digests are keyed. It hangs on what ``by`` may know of the definitions, as far as its permit opens what they read.

    Raises:
        InvalidInput: it says that somebody else made it, or is what somebody else recorded; or it
            rests on no permit of ``by`` to read what its features read of what it is pinned to,
            all of it where no definitions say that; or tells digests that are not keyed.
        NotFound: a dataset version it is pinned to does not exist.
    """
    if manifest.created_by != by.id:
        raise InvalidInput(
            f"training set {manifest.id} says that {manifest.created_by} made it, not {by}",
            hint="record a training set as the actor that made it",
        )
    check_keyed(manifest)
    row = db.get(TrainingSetRow, manifest.id)
    if row is not None and row.value.created_by != by.id:
        raise InvalidInput(
            f"training set {manifest.id} tells digests that {by} has not made of any rows",
            hint="make the training set yourself: its digests are keyed with its maker",
        )
    let = _let(db, by, manifest)
    names = naming.current(db, {pin.dataset for pin in manifest.pins})
    _check_let(by, manifest, let, names)
    for pin in manifest.pins:
        datasets.resolve(db, by, pin, now=change.at)
    _check_versions(db, by, manifest, let, names)
    _check_columns(db, by, manifest, let, set(names.values()), now=change.at)
    if row is None:
        db.add(
            TrainingSetRow(
                id=manifest.id,
                project=manifest.spec.project,
                created_at=manifest.created_at,
                value=manifest,
            )
        )
        _link(db, by, manifest, let, now=change.at)
        kind = NodeKind.TRAINING_SET.value
        uses = [consumption.Use(pin, kind, manifest.id) for pin in manifest.pins]
        consumption.keep(db, change, uses)
    changes.tell(
        db,
        change,
        EventKind.TRAINING_SET_RECORD,
        manifest.id,
        {
            "service": manifest.spec.service,
            "purpose": manifest.spec.purpose,
            "pins": [str(pin) for pin in manifest.pins],
            "rows": manifest.row_count,
            "decision": manifest.decision,
            "content": manifest.content_digest,
            "said": manifest.said,
        },
    )


def link_again(db: Session, manifest: TrainingSetManifest, *, now: datetime) -> None:
    """Hang one that was recorded on what its maker may know of the definitions now."""
    by = access.actor(db, manifest.created_by)
    _link(db, by, manifest, _let(db, by, manifest), now=now)


def _link(
    db: Session, by: Actor, manifest: TrainingSetManifest, let: Let, *, now: datetime
) -> None:
    """Hang a training set on its versions, and on the definitions that ``by`` may know and read.

    What is hidden, what is not there and what was not read are alike: nothing hangs on them.
    """
    repo = _known(db, by, manifest.spec.project, now=now)
    rests = _rests(db, manifest, repo, let) if repo else RestsOn()
    lineage.record_training_set(db, manifest, rests)


def _known(db: Session, by: Actor, project: str, *, now: datetime) -> RepoSpec | None:
    try:
        return features.repo(db, by, project, now=now)
    except NotFound:
        return None


def _rests(db: Session, manifest: TrainingSetManifest, repo: RepoSpec, let: Let) -> RestsOn:
    spec = manifest.spec
    service = next((one for one in repo.services if one.name == spec.service), None)
    own = {*spec.own_features, *(service.own_features if service else ())}
    read = {ref: derivation.read_for(repo, ref) for ref in own}
    called = _called(db, (column for columns in read.values() for column in columns or ()))
    open_to = {
        ref
        for ref, columns in read.items()
        if columns is not None and all(_lets(let, called, column) for column in columns)
    }
    whole = service is not None and open_to.issuperset(service.own_features)
    return RestsOn(frozenset(open_to.intersection(spec.own_features)), whole)


def _let(db: Session, by: Actor, manifest: TrainingSetManifest) -> Let:
    """What the decision that a training set rests on let ``by`` read, by the datasets' names now."""
    permitted = audit.permitted(
        db, actor=by.id, decision=manifest.decision, purpose=manifest.spec.purpose
    )
    names = naming.current(db, {one.dataset for one in permitted})
    found: dict[str, list[Opened]] = {}
    for one in permitted:
        found.setdefault(names[one.dataset], []).append(one)
    return found


def _check_let(
    by: Actor, manifest: TrainingSetManifest, let: Let, names: Mapping[str, str]
) -> None:
    """Return if the decision is of each dataset. It is looked at before any version is, which takes long."""
    closed = [pin for pin in manifest.pins if names[pin.dataset] not in let]
    if closed:
        raise _unread(manifest, by, sorted(pin.dataset for pin in closed))


def _check_versions(
    db: Session, by: Actor, manifest: TrainingSetManifest, let: Let, names: Mapping[str, str]
) -> None:
    other = [
        pin
        for pin in manifest.pins
        if not any(_of_version(db, pin, one) for one in let[names[pin.dataset]])
    ]
    if other:
        raise _unread(manifest, by, sorted(map(str, other)))


def _of_version(db: Session, pin: DatasetRef, one: Opened) -> bool:
    """Whether a permit is of the version: it says so, or says none and came after it."""
    if one.versions is not None:
        return pin.version in one.versions
    row = naming.locate(db, pin.dataset)
    version = db.get(VersionRow, (row.id, pin.version)) if row else None
    return version is not None and version.published_at <= one.at


def _check_columns(
    db: Session,
    by: Actor,
    manifest: TrainingSetManifest,
    let: Let,
    pinned: Collection[str],
    *,
    now: datetime,
) -> None:
    """Return if it was let read what its features read of its pins, by the definitions it names.

    Where these do not say that of each, they may have read everything.
    """
    repo = _named(db, by, manifest, now=now)
    asked = manifest.spec.own_features
    read = [derivation.read_for(repo, ref) if repo else None for ref in asked]
    wanted = {column for columns in read for column in columns or ()}
    is_told = bool(read) and None not in read
    if not is_told:
        wanted |= _every(db, manifest.pins)
    called = _called(db, wanted)
    closed = sorted(
        str(column)
        for column in wanted
        if called[column.dataset] in pinned and not _lets(let, called, column)
    )
    if closed:
        raise _unread(manifest, by, closed, is_told=is_told)


def _every(db: Session, pins: Iterable[DatasetRef]) -> set[ColumnRef]:
    """Every column of the versions that ``pins`` are."""
    rows = ((pin, naming.locate(db, pin.dataset)) for pin in pins)
    versions = ((pin, db.get(VersionRow, (row.id, pin.version))) for pin, row in rows if row)
    return {
        ColumnRef(pin.dataset, column)
        for pin, version in versions
        if version is not None
        for column in version.value.manifest.schema.names
    }


def _named(
    db: Session, by: Actor, manifest: TrainingSetManifest, *, now: datetime
) -> RepoSpec | None:
    """The definitions that a training set says it was made with, as ``by`` may know them.

    The last, if they are none that were applied; none, if it says none: it was made with what
    never was, and hangs on what it read only.
    """
    project = manifest.spec.project
    if not manifest.repo_digest:
        return None
    of_digest = select(RepoRow).where(
        RepoRow.project == project, RepoRow.digest == manifest.repo_digest
    )
    row = db.scalars(of_digest.order_by(RepoRow.number.desc()).limit(1)).first()
    if row is None:
        return _known(db, by, project, now=now)
    return features.known_part(db, by, row.value, whole=row.digest, now=now)


def _called(db: Session, columns: Iterable[ColumnRef]) -> dict[str, str]:
    return naming.current(db, {column.dataset for column in columns})


def _lets(let: Let, called: Mapping[str, str], column: ColumnRef) -> bool:
    return any(column.column in one.columns for one in let.get(called[column.dataset], ()))


def _unread(
    manifest: TrainingSetManifest, by: Actor, what: list[str], *, is_told: bool = True
) -> InvalidInput:
    project = manifest.spec.project
    return InvalidInput(
        f"training set {manifest.id} rests on the decision {manifest.decision!r}, which did "
        f"not let {by} read {', '.join(what)} for purpose {manifest.spec.purpose!r}",
        hint="record what was made with a permit, under the id of its decision"
        if is_told
        else f"no definitions of {project} that {by} may know say what its features read: apply "
        "them (provender features apply), or record it with a permit for every column",
    )
