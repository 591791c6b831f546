"""Where versions stand, from their rows, and what their readers are told of it."""

from collections.abc import Collection, Iterator
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from provender.catalog import (
    changes,
    declarations,
    history,
    lineage,
    revisions,
)
from provender.catalog.changes import Change
from provender.catalog.nodes import portions
from provender.catalog.rows import DatasetRow, VersionRow
from provender.core.audit import EventKind
from provender.core.datasets import DatasetVersion
from provender.core.errors import Gone
from provender.core.lifecycle import READABLE, Severity, Standing, State, Step, warnings
from provender.core.schema import Schema, Verdict

PORTION = 20
BEST = (VersionRow.data_gone_at.is_(None).desc(), VersionRow.number.desc())
"""The order of versions that readers get."""
EVENTS = {
    Step.PUBLISH: EventKind.VERSION_PUBLISH,
    Step.DEPRECATE: EventKind.VERSION_DEPRECATE,
    Step.RESTORE: EventKind.VERSION_RESTORE,
    Step.RECALL: EventKind.VERSION_RECALL,
    Step.RELEASE: EventKind.VERSION_RELEASE,
}


def standing(row: VersionRow) -> Standing:
    """Return where the version of ``row`` stands."""
    return Standing(
        state=State(row.state),
        severity=Severity(row.severity),
        reason=row.state_reason,
        by=row.state_by,
        at=row.state_at,
        replacement=row.replacement,
    )


def put(row: VersionRow, stands: Standing) -> None:
    """Let the version of ``row`` stand so."""
    row.state, row.severity = stands.state.value, stands.severity.value
    row.state_reason, row.replacement = stands.reason, stands.replacement
    row.state_at, row.state_by = stands.at, stands.by


def take(
    db: Session,
    change: Change,
    dataset: DatasetRow,
    row: VersionRow,
    step: Step,
    after: Standing,
    *,
    verdict: Verdict | None = None,
) -> None:
    """Write down that a version stands as ``after`` says, and let readers get the newest they may.

    ``verdict`` is on its schema against what they got before; None: it was not looked at.
    """
    before = row.state
    put(row, after)
    revisions.further(dataset, change)
    db.flush()
    history.keep(db, change, "version", f"{dataset.urn}@{row.number}", after, reason=after.reason)
    let_read(db, change, dataset)
    changes.tell(
        db,
        change,
        EVENTS[step],
        f"{dataset.name}@{row.number}",
        {
            "was": before,
            "state": after.state,
            "severity": after.severity,
            "reason": after.reason,
            "replacement": after.replacement,
            "latest": dataset.latest,
            **({"schema": verdict} if verdict else {}),
        },
    )


def let_read(db: Session, change: Change, dataset: DatasetRow) -> None:
    """Let the dataset, its lineage and what search finds be of the newest version for readers."""
    there = newest(db, dataset.id)
    number = there.number if there else None
    if number != dataset.latest:
        dataset.latest = number
        db.flush()
        lineage.record_latest(db, dataset.value.ref, number)
    declarations.index(db, change, dataset.value, there.value if there else None)


def told(row: VersionRow, version: DatasetVersion) -> tuple[str, ...]:
    """Return what a reader of ``version``, that of ``row``, has to mind.

    Raises:
        Recalled: it was recalled, and is refused to readers.
        Gone: its data was deleted; its manifest stays.
    """
    found = warnings(str(version.ref), standing(row))
    check_there(row, version)
    return found


def check_there(row: VersionRow, version: DatasetVersion) -> None:
    """Return if the data of ``version``, that of ``row``, is there.

    Raises:
        Gone: it was deleted; its manifest stays.
    """
    if row.data_gone_at is not None:
        why = f": {row.data_gone_why}" if row.data_gone_why else ""
        raise Gone(
            f"the data of {version.ref} was deleted on {row.data_gone_at:%Y-%m-%d}{why}",
            hint=f"its manifest stays ({version.manifest.digest}); read a newer version",
            what="version",
        )


def newest(db: Session, dataset: int) -> VersionRow | None:
    """Return the row of the newest version that readers get who name none; None: they get none.

    One whose data is gone is it only where no other is left.
    """
    wanted = select(VersionRow).where(VersionRow.dataset == dataset, VersionRow.state.in_(READABLE))
    return db.scalars(wanted.order_by(*BEST).limit(1)).first()


def newest_of(db: Session, datasets: Collection[int]) -> Iterator[VersionRow]:
    """Yield the `newest` of each of ``datasets`` that has one, so many as one query asks about."""
    rank = func.row_number().over(partition_by=VersionRow.dataset, order_by=BEST).label("rank")
    there = (VersionRow.dataset.in_(datasets), VersionRow.state.in_(READABLE))
    ranked = select(VersionRow.dataset, VersionRow.number, rank).where(*there).subquery()
    is_best = and_(
        VersionRow.dataset == ranked.c.dataset,
        VersionRow.number == ranked.c.number,
        ranked.c.rank == 1,
    )
    yield from db.scalars(select(VersionRow).join(ranked, is_best))


def schemas(db: Session, names: Collection[str]) -> dict[str, Schema]:
    """Return the schemas of the `newest` of the datasets called ``names`` that have one."""
    found: dict[str, Schema] = {}
    for portion in portions(names):
        rows = db.execute(
            select(DatasetRow.id, DatasetRow.name).where(DatasetRow.name.in_(portion))
        )
        called = {row.id: row.name for row in rows}
        for best in newest_of(db, called):
            found[called[best.dataset]] = best.value.manifest.schema
    return found


def newest_then(db: Session, dataset: DatasetRow, as_of: datetime) -> VersionRow | None:
    """Return the row of the version that readers got at ``as_of``, wherever it stands now."""
    for row in _before(db, dataset.id, as_of):
        said = history.then(db, "version", f"{dataset.urn}@{row.number}", as_of)
        state = said.get("state") if isinstance(said, dict) else row.state
        if state in READABLE:
            return row
    return None


def _before(db: Session, dataset: int, as_of: datetime) -> Iterator[VersionRow]:
    """The versions that were there at ``as_of``, newest first; asked for as they are looked at."""
    there = select(VersionRow).where(
        VersionRow.dataset == dataset, VersionRow.published_at <= as_of
    )
    newest_first = there.order_by(VersionRow.number.desc()).limit(PORTION)
    rows = db.scalars(newest_first).all()
    while rows:
        yield from rows
        rows = db.scalars(newest_first.where(VersionRow.number < rows[-1].number)).all()
