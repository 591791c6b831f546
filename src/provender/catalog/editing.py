"""Edits by stewards: of what is said about a dataset, one revision after the other."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    changes,
    declarations,
    entries,
    epoch,
    history,
    revisions,
    unprotected,
)
from provender.catalog.changes import Change
from provender.catalog.rows import (
    DatasetRow,
    PersonRow,
    TagRow,
    TeamRow,
    TermRow,
    VersionRow,
)
from provender.core.audit import EventKind
from provender.core.datasets import Dataset, Entry
from provender.core.digest import canonical, digest
from provender.core.editing import Edit, Known, edited, taken
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef
from provender.core.tags import Taxonomy

PARTS = (
    "description",
    "documentation",
    "owners",
    "terms",
    "links",
    "assignments",
    "column_descriptions",
)
"""What an edit changes."""
DECISIVE = frozenset({"owners", "assignments"})
"""Parts that decide who may what."""


def edit(
    db: Session,
    by: Actor,
    ref: DatasetRef,
    edit: Edit,
    *,
    expected: int | None,
    reason: str = "",
    change: Change,
) -> Entry:
    """Return the entry of a dataset after ``edit``; one that says what is said changes nothing.

    Raises:
        NotFound: the dataset is not there, or not for ``by`` to discover.
        Denied: ``by`` neither owns nor stewards it, or takes a tag of four eyes away without
            governing: one alone would open what takes two. Likewise where only older versions
            have the column: moved to a new name, a tag opens the old.
        PreconditionFailed: it is not any more at the revision that was ``expected``.
        PreconditionRequired: neither a revision nor a reason is given.
        Problems: the edit names what is not known, or puts tags where they may not be.
    """
    row = access.discovered(db, by, ref.dataset, now=change.at)
    access.check(db, by, Action.STEWARD, [ColumnRef(row.name)], now=change.at)
    revisions.check_looked(row, expected, reason=reason)
    before = row.value
    known = _known(db, row)
    after = edited(before, edit, known=known, by=by)
    governed = [
        f"take {str(gone)!r} from {row.name}: access to it takes two"
        for gone in taken(before, after, known.taxonomy.four_eyes)
    ]
    governed += [
        f"take {bare}, of {row.name}"
        for bare in unprotected.of(db, before, after, known.taxonomy.protected)
    ]
    for doing in governed:
        access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=change.at, doing=doing)
    if canonical(after) != canonical(before):
        declarations.declare(db, [after], change=change)
        history.keep(db, change, "dataset", row.urn, after, reason=reason)
        _tell(db, change, before, after, reason=reason)
    return entries.entry(db, by, row, now=change.at)


def _tell(db: Session, change: Change, before: Dataset, after: Dataset, *, reason: str) -> None:
    parts = [part for part in PARTS if getattr(before, part) != getattr(after, part)]
    if not DECISIVE.isdisjoint(parts):
        epoch.bump(db)
    detail = {"parts": parts, "becomes": digest(after), "reason": reason}
    changes.tell(db, change, EventKind.DATASET_EDIT, after.ref.dataset, detail)


def _known(db: Session, row: DatasetRow) -> Known:
    actors = [*db.scalars(select(PersonRow.id)), *db.scalars(select(TeamRow.id))]
    return Known(
        taxonomy=Taxonomy(tuple(db.scalars(select(TagRow.value).order_by(TagRow.name)))),
        terms=frozenset(db.scalars(select(TermRow.name))),
        actors=frozenset(actors),
        columns=_columns(db, row),
    )


def _columns(db: Session, row: DatasetRow) -> frozenset[str]:
    """The columns of the last version, whether or not readers get it."""
    last = select(VersionRow.value).where(VersionRow.dataset == row.id)
    version = db.scalars(last.order_by(VersionRow.number.desc()).limit(1)).first()
    return frozenset(version.manifest.schema.names) if version else frozenset()
