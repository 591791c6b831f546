"""Erasures of subjects: begun, done dataset by dataset, certified; and done again after a restore.

Whoever has the lake looks into files and removes them; the catalog decides who may, lets the next
version take the place of what goes, and marks what went, each in one transaction. What it keeps of
a subject are keyed digests, and the key is not here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from provender.catalog import (
    changes,
    naming,
    publication,
    residue,
    resting,
    revisions,
    standings,
    whereabouts,
)
from provender.catalog.changes import Change
from provender.catalog.checkpoints import sealing_of
from provender.catalog.rows import (
    AuditRow,
    CheckRow,
    DatasetRow,
    ErasureRow,
    ProfileRow,
    VersionRow,
)
from provender.core.audit import EventKind
from provender.core.datasets import Listed
from provender.core.erasure import (
    ERASED,
    PRODUCER,
    Dropped,
    Erased,
    Erasure,
    Found,
    Place,
    State,
    check_going_on,
    identity_of,
    with_erased,
)
from provender.core.errors import Conflict, InvalidInput, Misconfigured
from provender.core.names import DatasetRef, unknown
from provender.core.people import Actor

DIGITS = 64


def begin(
    db: Session,
    by: Actor,
    join_key: str,
    sought: Sequence[str],
    *,
    key: str,
    reason: str,
    datasets: Sequence[str],
    change: Change,
) -> Erasure:
    """Return a new erasure; one of the same subject and places that is not done, as it is.

    Raises:
        Denied, NotFound, Conflict: as `whereabouts.foresee`.
        InvalidInput: there is no reason, or what is sought are no keyed digests.
        Misconfigured: nobody signs here.
    """
    scope = whereabouts.foresee(db, by, join_key, datasets, now=change.at)
    _check_sought(sought, reason)
    for row in db.scalars(select(ErasureRow)):
        there = row.value
        if there.state is not State.DONE and (there.sought, there.scope.places) == (
            tuple(sought),
            scope.places,
        ):
            return there
    erasure = Erasure(
        id=identity_of(join_key, sought, scope, change.at),
        join_key=join_key,
        sought=tuple(sought),
        key=key,
        reason=reason.strip(),
        by=by.id,
        at=change.at,
        scope=scope,
    )
    kept = _keep(db, change, erasure)
    detail = {
        "subject": f"{join_key}=keyed:{sought[0]}",
        "key": key,
        "reason": kept.reason,
        "datasets": [place.dataset for place in scope.places],
    }
    changes.tell(db, change, EventKind.ERASURE_BEGIN, kept.id, detail)
    return kept


def erase(db: Session, by: Actor, identity: str, found: Found, *, change: Change) -> Erasure:
    """Return an erasure after versions of a dataset went, and the next one took their place.

    Nothing that was counted of those versions stays: it tells values. Of a dataset that holds
    nothing it is written down that it was looked into.

    Raises:
        Denied: ``by`` does not govern.
        NotFound: there is no such erasure, or the dataset is not in its scope.
        Conflict: it is done; the dataset is on hold; somebody published meanwhile.
        InvalidInput: the next version is not what a version of the dataset can be.
    """
    whereabouts.check_allowed(db, by, now=change.at)
    erasure = _row(db, identity).value
    check_going_on(erasure)
    dataset = _in_scope(db, erasure, found.dataset)
    if found.erased:
        whereabouts.check_no_hold(db, [dataset])
    residue.overwrite(db)
    after = _publish(db, by, dataset, found, erasure, change=change)
    rows = [_version(db, dataset, number) for number in found.erased]
    for row in rows:
        _forget(db, change, dataset, row, erasure.id)
    if rows:
        _let_read(db, change, dataset)
    done = Erased(
        dataset=dataset.name,
        urn=dataset.urn,
        columns=next(p.columns for p in erasure.scope.places if p.urn == dataset.urn),
        erased=found.erased,
        manifests=tuple(row.value.manifest.digest for row in rows),
        before=found.before,
        after=after,
        rows=found.rows,
        files=found.files,
        size_bytes=found.size_bytes,
    )
    kept = _keep(db, change, with_erased(erasure, done))
    looked = {"dataset": dataset.name, "urn": dataset.urn, "versions": found.looked}
    changes.tell(db, change, EventKind.ERASURE_LOOK, kept.id, looked)
    return kept


def finish(
    db: Session, by: Actor, identity: str, online: Sequence[Dropped], *, change: Change
) -> Erasure:
    """Return the certificate of an erasure: it is done.

    Versions whose data was gone before are named, too: nobody could look into them.

    Raises:
        Denied, NotFound, Conflict: as `erase`; or nobody looked into a dataset of its scope.
    """
    whereabouts.check_allowed(db, by, now=change.at)
    erasure = _row(db, identity).value
    check_going_on(erasure)
    _check_looked(db, erasure)
    residue.overwrite(db)
    for place in erasure.scope.places:
        erasure = with_erased(erasure, _gone_before(db, erasure, place))
    done = replace(
        erasure,
        state=State.DONE,
        readers=resting.named(db, _went(erasure)),
        online=tuple(online),
        finished_at=change.at,
    )
    kept = _keep(db, change, done)
    detail = {"certificate": kept.digest, "signed_by": kept.signed_by}
    changes.tell(db, change, EventKind.ERASURE_FINISH, kept.id, detail)
    return kept


def get(db: Session, by: Actor, identity: str, *, now: datetime) -> Erasure:
    """Return an erasure as far as it is.

    Raises:
        Denied: ``by`` does not govern.
        NotFound: there is none of that id.
    """
    whereabouts.check_allowed(db, by, now=now)
    return _row(db, identity).value


def listed(db: Session, by: Actor, *, limit: int, after: str, now: datetime) -> Listed[Erasure]:
    """Return erasures, the last first.

    Raises:
        Denied: ``by`` does not govern.
    """
    whereabouts.check_allowed(db, by, now=now)
    wanted = select(ErasureRow).order_by(ErasureRow.position.desc())
    if after:
        wanted = wanted.where(ErasureRow.position < _row(db, after).position)
    rows = db.scalars(wanted.limit(limit + 1)).all()
    shown = tuple(row.value for row in rows[:limit])
    return Listed(shown, shown[-1].id if len(rows) > limit else None)


def again(db: Session, change: Change, known: Iterable[Erasure]) -> None:
    """Do in a restored catalog what ``known`` erasures did since: nobody reads what they let go.

    What they did in the lake and online is to be done again, too: they are marked as restored.
    """
    residue.overwrite(db)
    position = change.sequence
    for erasure in sorted(known, key=lambda one: one.at):
        row = db.get(ErasureRow, erasure.id)
        if row is not None and row.value == erasure:
            continue
        position += 1
        value = replace(erasure, state=State.RESTORED)
        if row is None:
            highest = db.scalar(select(func.max(ErasureRow.position))) or 0
            db.add(ErasureRow(id=erasure.id, position=max(position, highest + 1), value=value))
        else:
            row.value = value
        db.flush()
        went = sum(_forget_again(db, change, erasure, one) for one in erasure.erased)
        changes.tell(db, change, EventKind.ERASURE_RESTORE, erasure.id, {"versions": went})


def _forget_again(db: Session, change: Change, erasure: Erasure, done: Erased) -> int:
    dataset = db.scalars(select(DatasetRow).where(DatasetRow.urn == done.urn)).first()
    if dataset is None:
        return 0
    went = 0
    for row in _streamed(db, dataset.id):
        if row.value.manifest.digest in done.manifests:
            went += row.data_gone_at is None
            _forget(db, change, dataset, row, erasure.id)
    if went:
        _let_read(db, change, dataset)
    return went


def _let_read(db: Session, change: Change, dataset: DatasetRow) -> None:
    """Let readers get the newest version that is there."""
    revisions.further(dataset, change)
    db.flush()
    if dataset.withdrawn_at is None:
        standings.let_read(db, change, dataset)


def _check_sought(sought: Sequence[str], reason: str) -> None:
    wrong = [one for one in sought if len(one) != DIGITS or set(one) - set("0123456789abcdef")]
    if wrong or not sought:
        raise InvalidInput(
            "what is sought are keyed digests of 64 hex digits, and no values",
            hint="let provender erase make them: they need the key of the erasures",
        )
    if not reason.strip():
        raise InvalidInput("an erasure has a reason", hint="say which request it follows")


def _in_scope(db: Session, erasure: Erasure, name: str) -> DatasetRow:
    row = naming.locate(db, DatasetRef.parse(name).dataset)
    if row is None or row.urn not in {place.urn for place in erasure.scope.places}:
        raise unknown(f"dataset of {erasure.id}", name, [p.dataset for p in erasure.scope.places])
    return row


def _check_looked(db: Session, erasure: Erasure) -> None:
    """All of the scope was looked into, since a restore if there was one: the trail says so."""
    told = select(AuditRow).where(AuditRow.subject == erasure.id).order_by(AuditRow.sequence)
    looked: set[str] = set()
    for event in db.scalars(told):
        if event.kind == EventKind.ERASURE_RESTORE:
            looked.clear()
        elif event.kind == EventKind.ERASURE_LOOK:
            looked.add(event.detail["urn"])
    left = [place.dataset for place in erasure.scope.places if place.urn not in looked]
    if left:
        raise Conflict(
            f"{erasure.id} is not done: nobody looked into {', '.join(left)}",
            hint=f"look where the lake is: provender erase --resume {erasure.id}",
        )


def _version(db: Session, dataset: DatasetRow, number: int) -> VersionRow:
    row = db.get(VersionRow, (dataset.id, number))
    if row is None:
        raise unknown("version", f"{dataset.name}@{number}", [])
    return row


def _publish(
    db: Session, by: Actor, dataset: DatasetRow, found: Found, erasure: Erasure, *, change: Change
) -> int | None:
    """The number of the version that comes in place of what readers got."""
    if found.manifest is None or found.before is None or dataset.withdrawn_at is not None:
        return None
    if found.before not in found.erased:
        raise InvalidInput(
            f"{dataset.name}@{found.before} does not go, and nothing comes in its place",
            hint="name it among the versions that go",
        )
    manifest = replace(
        found.manifest, inputs=(dataset.value.ref.at(found.before),), producer=PRODUCER
    )
    version = publication.publish(
        db,
        by,
        dataset.value.ref,
        manifest,
        parent=found.before,
        note=f"erasure {erasure.id}",
        evidence=found.evidence,
        decided=True,
        change=change,
    )
    return version.number


def _forget(
    db: Session, change: Change, dataset: DatasetRow, row: VersionRow, identity: str
) -> None:
    """Mark a version as erased, and forget what was measured of it."""
    for table in (ProfileRow, CheckRow):
        gone = (table.dataset == row.dataset, table.number == row.number)
        db.execute(delete(table).where(*gone))
    if row.data_gone_at is not None:
        return
    row.data_gone_at = change.at
    row.data_gone_why = f"{ERASED}{identity}"
    changes.tell(
        db,
        change,
        EventKind.VERSION_ERASE,
        f"{dataset.name}@{row.number}",
        {"erasure": identity, "manifest": row.value.manifest.digest},
    )


def _gone_before(db: Session, erasure: Erasure, place: Place) -> Erased:
    """The versions of a dataset whose data was gone already: of them nothing is told any more."""
    there = next((one for one in erasure.erased if one.urn == place.urn), None)
    dataset = db.scalars(select(DatasetRow).where(DatasetRow.urn == place.urn)).one()
    digests = []
    for row in _streamed(db, dataset.id):
        known = there is not None and row.number in there.erased
        if row.data_gone_at is not None and not known:
            gone = (ProfileRow.dataset == row.dataset, ProfileRow.number == row.number)
            db.execute(delete(ProfileRow).where(*gone))
            digests.append(row.value.manifest.digest)
            if not row.data_gone_why.startswith(ERASED):
                row.data_gone_why = f"{ERASED}{erasure.id}; it was gone before: {row.data_gone_why}"
    known_digests = there.manifests if there is not None else ()
    return Erased(
        dataset=dataset.name,
        urn=place.urn,
        columns=place.columns,
        manifests=tuple(one for one in digests if one not in known_digests),
    )


def _streamed(db: Session, dataset: int) -> list[VersionRow]:
    wanted = select(VersionRow).where(VersionRow.dataset == dataset).order_by(VersionRow.number)
    return list(db.scalars(wanted))


def _went(erasure: Erasure) -> list[DatasetRef]:
    return [DatasetRef.parse(done.dataset).at(n) for done in erasure.erased for n in done.erased]


def _row(db: Session, identity: str) -> ErasureRow:
    row = db.get(ErasureRow, identity)
    if row is None:
        last = db.scalars(select(ErasureRow.id).order_by(ErasureRow.position.desc()).limit(9))
        raise unknown("erasure", identity, list(last))
    return row


def _keep(db: Session, change: Change, erasure: Erasure) -> Erasure:
    """Keep an erasure as it is now, signed.

    Raises:
        Misconfigured: nobody signs here.
    """
    sealing = sealing_of(db)
    if sealing is None:
        raise Misconfigured(
            "nobody signs for this catalog, and an erasure is certified",
            hint="open it by the settings: provender, or its service, has the keys",
        )
    signed = sealing.keys.signer().attest(erasure)
    row = db.get(ErasureRow, signed.id)
    if row is None:
        db.add(ErasureRow(id=signed.id, position=change.sequence, value=signed))
    else:
        row.value = signed
    db.flush()
    return signed
