"""Datasets and their versions: declared by governance, published by their owners, resolved by all."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Text, select, type_coerce
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    changes,
    declarations,
    naming,
    standings,
    visibility,
)
from provender.catalog.rows import VersionRow
from provender.core.datasets import Dataset, DatasetVersion, Manifest
from provender.core.erasure import ERASED
from provender.core.errors import NotFound, Stale
from provender.core.lifecycle import State
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.wording import lasting

TOLD = 5
"""How many versions are told of where readers get none."""


def resolve(
    db: Session,
    who: Actor,
    ref: DatasetRef,
    *,
    as_of: datetime | None = None,
    max_age: timedelta | None = None,
    now: datetime,
) -> DatasetVersion:
    """Return the version that ``ref`` names, else the newest for readers (as it was at ``as_of``).

    Inputs that ``who`` may not discover are left out of its manifest.

    Raises:
        NotFound: there is no such dataset for ``who``, or no such version of it.
        InvalidInput: ``as_of`` has no time zone, or is in the future.
        Stale: its data is older than ``max_age``.
        Recalled: it was recalled, and is refused to readers.
        Gone: its data was deleted; its manifest stays.
    """
    row = found(db, who, ref, as_of=as_of, now=now)
    version = naming.of_rows(db, [row])[0]
    if max_age is not None:
        check_age(version, max_age, now=now)
    standings.told(row, version)
    return seen(db, who, [(row, version)], now=now)[0]


def found(
    db: Session, who: Actor, ref: DatasetRef, *, as_of: datetime | None = None, now: datetime
) -> VersionRow:
    """Return the row of the version that ``ref`` names, wherever it stands, else of the newest.

    Raises:
        NotFound, InvalidInput: as `resolve`.
    """
    if as_of is not None:
        changes.check_past(db, as_of, now=now)
    dataset = access.discovered(db, who, ref.dataset, now=now)
    if ref.version is not None:
        row = db.get(VersionRow, (dataset.id, ref.version))
        if row is not None and as_of is not None and row.published_at > as_of:
            raise _not_yet(naming.of_rows(db, [row])[0], as_of)
    elif as_of is not None:
        row = standings.newest_then(db, dataset, as_of)
    else:
        row = standings.newest(db, dataset.id)
    if row is None:
        raise _no_such_version(db, dataset.id, ref, as_of)
    return row


def check_read(db: Session, who: Actor, refs: Iterable[DatasetRef], *, now: datetime) -> None:
    """Check that versions which were resolved before may be read still.

    Raises:
        NotFound, Recalled, Gone: as `resolve`.
    """
    for ref in refs:
        row = found(db, who, ref, now=now)
        standings.told(row, naming.of_rows(db, [row])[0])


def notes(
    db: Session, who: Actor, ref: DatasetRef, *, above: int, since: datetime, now: datetime
) -> list[tuple[datetime, str]]:
    """Return when versions after ``above`` were published, from ``since`` on, and their notes.

    Oldest first. No manifest is made of what is stored: there may be thousands, of as many files.
    """
    dataset = access.discovered(db, who, ref.dataset, now=now)
    wanted = select(VersionRow.published_at, type_coerce(VersionRow.value, Text)).where(
        VersionRow.dataset == dataset.id,
        VersionRow.number > above,
        VersionRow.published_at >= since,
    )
    found = db.execute(wanted.order_by(VersionRow.number).execution_options(yield_per=100))
    return [(at, str(json.loads(value)["note"])) for at, value in found]


def column_names(db: Session, dataset: Dataset) -> tuple[str, ...]:
    """Return the columns of the latest version; until there is one, those people speak of."""
    row = declarations.row_of(db, dataset.ref.dataset)
    latest = standings.newest(db, row.id) if row else None
    if latest is not None:
        return latest.value.manifest.schema.names
    return tuple(dict.fromkeys((*dataset.column_tags, *dataset.column_descriptions)))


def seen(
    db: Session,
    who: Actor,
    found: Sequence[tuple[VersionRow | None, DatasetVersion]],
    *,
    now: datetime,
) -> list[DatasetVersion]:
    """Return the versions ``found``, each with its row, as ``who`` may know them.

    Whatever tells a version tells it by this; None in place of a row: it was made just now. Sums tell
    the hash of each row that comes or goes: only to who may publish, to go on from them. What
    followed from rows that a subject was erased from is for who governs, and erases. Inputs that
    ``who`` may not discover are left out.
    """
    told = [version for _, version in found]
    erased = [row is not None and _is_erased(row) for row, _ in found]
    if any(erased) and not access.governs(db, who, now=now):
        pairs = zip(erased, told, strict=True)
        told = [_with(one, one.manifest.without_rows()) if gone else one for gone, one in pairs]
    measured = {version.ref.dataset for version in told if version.manifest.sums}
    if measured:
        publishes = visibility.shown(db, who, measured, action=Action.PUBLISH, now=now)
        told = [_without_sums(one) if one.ref.dataset not in publishes else one for one in told]
    inputs = {ref for version in told for ref in version.manifest.inputs}
    if not inputs:
        return told
    shown = visibility.shown(db, who, (ref.dataset for ref in inputs), now=now)
    hidden = {ref for ref in inputs if ref.dataset not in shown}
    return [_with(version, version.manifest.without_inputs(hidden)) for version in told]


def seen_again(
    db: Session, who: Actor, version: DatasetVersion, *, now: datetime
) -> DatasetVersion:
    """Return a version that ``who`` was told before as they may know it now.

    Raises:
        NotFound: there is no such dataset for ``who`` any more.
    """
    dataset = access.discovered(db, who, version.ref.dataset, now=now)
    row = db.get_one(VersionRow, (dataset.id, version.number))
    return seen(db, who, [(row, version)], now=now)[0]


def _is_erased(row: VersionRow) -> bool:
    return row.data_gone_at is not None and (row.data_gone_why or "").startswith(ERASED)


def _without_sums(version: DatasetVersion) -> DatasetVersion:
    return _with(version, replace(version.manifest, sums=()))


def _with(version: DatasetVersion, manifest: Manifest) -> DatasetVersion:
    return replace(version, manifest=manifest)


def check_age(version: DatasetVersion, max_age: timedelta, *, now: datetime) -> None:
    """Check that data is not too old.

    Raises:
        Stale: it is.
    """
    if now - version.newest > max_age:
        raise Stale(
            f"the data of {version.ref} is of {version.newest.isoformat()}, "
            f"older than {lasting(max_age)}",
            hint="publish a newer version, or ask for data of a greater age",
        )


def _not_yet(version: DatasetVersion, as_of: datetime) -> NotFound:
    return NotFound(
        f"{version.ref} was not there at {as_of.isoformat()}",
        hint=f"it was published {version.published_at.isoformat()}",
        what="version",
    )


def _no_such_version(
    db: Session, dataset: int, ref: DatasetRef, as_of: datetime | None
) -> NotFound:
    of_dataset = select(VersionRow).where(VersionRow.dataset == dataset)
    rows = db.scalars(of_dataset.order_by(VersionRow.number.desc()).limit(1)).all()
    last = next(iter(naming.of_rows(db, rows)), None)
    if last is None:
        return NotFound(
            f"{ref.dataset} has no published version",
            hint=f"publish one: provender dataset publish {ref.dataset} FILE",
            what="version",
        )
    if ref.version is None and as_of is None:
        return NotFound(
            f"{ref.dataset} has no version for reading: {_why_none(db, dataset)}",
            hint=f"name one, for example {last.ref}, or publish another",
            what="version",
        )
    if ref.version is None and as_of is not None and _were_there(db, dataset, as_of):
        return NotFound(
            f"{ref.dataset} had no version for reading at {as_of.isoformat()}",
            hint="there were some that readers did not get, such as drafts; name one of them, or "
            "ask for a later instant",
            what="version",
        )
    if ref.version is None:
        first = naming.of_rows(db, [db.get_one(VersionRow, (dataset, 1))])[0]
        return NotFound(
            f"{ref.dataset} had no version at {as_of.isoformat() if as_of else 'that time'}",
            hint=f"the first, {first.ref}, was published {first.published_at.isoformat()}",
            what="version",
        )
    stands = f"published {last.published_at:%Y-%m-%d} by {last.published_by}"
    if rows[0].state != State.PUBLISHED:
        stands = f"it is {rows[0].state}"
    there = "there is only version 1" if last.number == 1 else f"versions are 1–{last.number}"
    return NotFound(
        f"{ref} not found; {there}",
        hint=f"did you mean {last.ref} ({stands})?",
        what="version",
    )


def _were_there(db: Session, dataset: int, as_of: datetime) -> bool:
    there = (VersionRow.dataset == dataset, VersionRow.published_at <= as_of)
    return db.scalar(select(VersionRow.number).where(*there).limit(1)) is not None


def _why_none(db: Session, dataset: int) -> str:
    newest = (
        select(VersionRow.number, VersionRow.state)
        .where(VersionRow.dataset == dataset)
        .order_by(VersionRow.number.desc())
        .limit(TOLD + 1)
    )
    rows = db.execute(newest).all()
    told = [f"@{number} is {state}" for number, state in rows[:TOLD][::-1]]
    return ", ".join([*(["…"] if len(rows) > TOLD else []), *told])
