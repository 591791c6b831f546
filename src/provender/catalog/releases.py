"""Versions with where they stand, and in which formats they can be had."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from provender.catalog import access, changes, datasets, manifests, naming, standings
from provender.catalog.changes import Change
from provender.catalog.rows import DatasetRow, RepresentationRow, VersionRow
from provender.core.audit import EventKind
from provender.core.datasets import Format, Listed, Manifest, Release
from provender.core.errors import Conflict, NotFound
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef

T = TypeVar("T")


def release(
    db: Session,
    who: Actor,
    ref: DatasetRef,
    *,
    as_of: datetime | None = None,
    max_age: timedelta | None = None,
    format: Format | None = None,  # noqa: A002 - the word of the field
    now: datetime,
) -> Release:
    """Return what `datasets.resolve` does, where it stands, and its manifest in ``format``.

    Its warnings say what a reader has to mind.

    Raises:
        NotFound: besides, the version is not there in ``format``.
        InvalidInput, Stale, Recalled, Gone: as `datasets.resolve`.
    """
    row = datasets.found(db, who, ref, as_of=as_of, now=now)
    found = stated(db, who, row, now=now)
    if max_age is not None:
        datasets.check_age(found.version, max_age, now=now)
    found = replace(found, warnings=standings.told(row, found.version))
    if format is None or format is found.version.manifest.format:
        return found
    other = db.get(RepresentationRow, (row.dataset, row.number, format.value))
    if other is None:
        raise NotFound(
            f"{found.version.ref} is not there as {format}; it is as {', '.join(found.formats)}",
            hint="convert it, or read it as it is",
            what="format",
        )
    as_other = replace(found.version, manifest=other.manifest)
    return replace(found, version=datasets.seen(db, who, [(row, as_other)], now=now)[0])


def releases(
    db: Session, who: Actor, ref: DatasetRef, *, limit: int, after: int, now: datetime
) -> Listed[Release]:
    """Return the versions of a dataset, the newest first, from beyond the number ``after`` (0: all)."""
    dataset = access.discovered(db, who, ref.dataset, now=now)
    wanted = select(VersionRow).where(VersionRow.dataset == dataset.id)
    if after:
        wanted = wanted.where(VersionRow.number < after)
    rows = db.scalars(wanted.order_by(VersionRow.number.desc()).limit(limit + 1)).all()
    shown = tuple(_released(db, who, rows[:limit], now=now))
    return Listed(shown, str(shown[-1].version.number) if len(rows) > limit else None)


def every_release(
    db: Session, by: Actor, *, limit: int, after: str, now: datetime
) -> Listed[Release]:
    """Return versions of every dataset, whole, from beyond the version ``after``.

    A version that can be had in other formats too is there once more for each of them: whoever
    looks after files has to know them all. They count as one in ``limit``.

    Raises:
        Denied: ``by`` may not govern.
    """
    doing = "list the versions of every dataset"
    access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=now, doing=doing)
    return _every(db, by, select(VersionRow), limit=limit, after=after, now=now)


def releases_of(
    db: Session, by: Actor, ref: DatasetRef, *, limit: int, after: str, now: datetime
) -> Listed[Release]:
    """Return the versions of a dataset as `every_release`, as far as ``by`` may know them.

    Raises:
        NotFound: there is no such dataset for ``by``.
        Denied: ``by`` neither stewards it nor governs.
    """
    dataset = naming.locate(db, ref.dataset)
    if dataset is None or not access.governs(db, by, now=now):
        dataset = access.discovered(db, by, ref.dataset, now=now)
        access.check(db, by, Action.STEWARD, [ColumnRef(dataset.name)], now=now)
    own = select(VersionRow).where(VersionRow.dataset == dataset.id)
    return _every(db, by, own, limit=limit, after=after, now=now)


def _every(
    db: Session,
    by: Actor,
    wanted: Select[VersionRow],
    *,
    limit: int,
    after: str,
    now: datetime,
) -> Listed[Release]:
    wanted = wanted.join(DatasetRow, DatasetRow.id == VersionRow.dataset)
    if after:
        last = DatasetRef.parse(after)
        same = (DatasetRow.name == last.dataset) & (VersionRow.number > (last.version or 0))
        wanted = wanted.where((DatasetRow.name > last.dataset) | same)
    in_order = wanted.order_by(DatasetRow.name, VersionRow.number)
    rows = db.scalars(in_order.limit(limit + 1)).all()
    shown = tuple(_as_known(db, by, list(_in_every_format(db, rows[:limit])), now=now))
    return Listed(shown, str(shown[-1].version.ref) if len(rows) > limit else None)


def represent(
    db: Session, by: Actor, ref: DatasetRef, manifest: Manifest, *, change: Change
) -> Release:
    """Return the version of ``ref``, whose rows can be had as ``manifest`` says too from now on.

    Raises:
        NotFound: there is no such version for ``by``.
        Denied: ``by`` may not publish the dataset.
        Gone: its data was deleted.
        Conflict: those are other rows than the version's.
        InvalidInput: they lie elsewhere than versions of the dataset do.
    """
    row = datasets.found(db, by, ref, now=change.at)
    access.check(db, by, Action.PUBLISH, [ColumnRef(ref.dataset)], now=change.at)
    version, own = naming.of_rows(db, [row])[0], row.value.manifest
    # First: what is said of other rows would tell of erased ones.
    standings.check_there(row, version)
    ref = version.ref
    manifests.check_place(db, ref, manifest)
    manifests.check_facts(manifest)
    if manifest.logical_digest != own.logical_digest or manifest.content != own.content:
        raise Conflict(
            f"the rows as {manifest.format} are not those of {ref}: their digest is another",
            hint="convert the version again, or publish other rows as a version of their own",
        )
    key = (row.dataset, row.number, manifest.format.value)
    if manifest.format is not own.format and db.get(RepresentationRow, key) is None:
        db.add(
            RepresentationRow(
                dataset=row.dataset,
                number=row.number,
                format=manifest.format.value,
                manifest=manifest,
                made_at=change.at,
                made_by=change.actor,
            )
        )
        db.flush()
        changes.tell(
            db,
            change,
            EventKind.VERSION_REPRESENT,
            str(ref),
            {"format": manifest.format, "manifest": manifest.digest},
        )
    return release(db, by, ref, format=manifest.format, now=change.at)


def stated(db: Session, who: Actor, row: VersionRow, *, now: datetime) -> Release:
    """Return the version of ``row`` and where it stands, as ``who`` may know it; read or not."""
    return _released(db, who, [row], now=now)[0]


def _released(
    db: Session, who: Actor, rows: Sequence[VersionRow], *, now: datetime
) -> list[Release]:
    return _as_known(db, who, list(zip(rows, _stated(db, rows), strict=True)), now=now)


def _as_known(
    db: Session, who: Actor, found: Sequence[tuple[VersionRow, Release]], *, now: datetime
) -> list[Release]:
    shown = datasets.seen(db, who, [(row, one.version) for row, one in found], now=now)
    return [replace(one, version=v) for (_, one), v in zip(found, shown, strict=True)]


def _in_every_format(
    db: Session, rows: Sequence[VersionRow]
) -> Iterator[tuple[VersionRow, Release]]:
    manifests_of = _others(db, rows, RepresentationRow.manifest)
    for row, found in zip(rows, _stated(db, rows), strict=True):
        yield row, found
        for manifest in manifests_of[row.dataset, row.number]:
            yield row, replace(found, version=replace(found.version, manifest=manifest))


def _stated(db: Session, rows: Sequence[VersionRow]) -> Iterator[Release]:
    formats_of = _others(db, rows, RepresentationRow.format)
    for row, version in zip(rows, naming.of_rows(db, rows), strict=True):
        own = row.value.manifest.format
        also = map(Format, formats_of[row.dataset, row.number])
        yield Release(
            version=version,
            standing=standings.standing(row),
            data_gone_at=row.data_gone_at,
            formats=(own, *(other for other in also if other is not own)),
        )


def _others(
    db: Session, rows: Sequence[VersionRow], wanted: InstrumentedAttribute[T]
) -> dict[tuple[int, int], list[T]]:
    """What is ``wanted`` of the other formats of each of ``rows``, by their names; asked once."""
    found: dict[tuple[int, int], list[T]] = defaultdict(list)
    there = select(RepresentationRow.dataset, RepresentationRow.number, wanted).where(
        RepresentationRow.dataset.in_({row.dataset for row in rows}),
        RepresentationRow.number.in_({row.number for row in rows}),
    )
    for dataset, number, value in db.execute(there.order_by(RepresentationRow.format)):
        found[dataset, number].append(value)
    return found
