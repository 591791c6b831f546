"""Steps that versions take: published, deprecated, recalled, restored, released; by their stewards."""

from sqlalchemy.orm import Session

from provender.catalog import access, admission, datasets, naming, releases, revisions, standings
from provender.catalog.changes import Change
from provender.catalog.rows import DatasetRow
from provender.core.datasets import Release
from provender.core.errors import InvalidInput
from provender.core.lifecycle import READABLE, Severity, Step, advance
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef


def step(
    db: Session,
    by: Actor,
    ref: DatasetRef,
    step: Step,
    *,
    reason: str,
    severity: Severity = Severity.WARN,
    replacement: int | None = None,
    expected: int | None = None,
    change: Change,
) -> Release:
    """Return the version of ``ref`` where it stands after ``step``.

    ``expected`` is the revision of the dataset that ``by`` had looked at.

    Raises:
        NotFound: there is no such version for ``by``, or no such ``replacement``.
        Denied: ``by`` does not steward the dataset (or, for a draft, may not publish it).
        Conflict: the version's state does not allow the step.
        Gone: readers would get, or be sent to, a version whose data was deleted.
        Incompatible: readers would get a schema that breaks them, and no reason is given.
        InvalidInput: ``ref`` names no version, a reason is missing, or readers cannot be sent
            to ``replacement``.
        PreconditionFailed: the dataset was changed meanwhile.
    """
    if ref.version is None:
        raise InvalidInput(
            f"{ref} names no version: it takes one to {step} it", hint=f"write for example {ref}@1"
        )
    row = datasets.found(db, by, ref, now=change.at)
    may = Action.PUBLISH if step is Step.PUBLISH else Action.STEWARD
    access.check(db, by, may, [ColumnRef(ref.dataset)], now=change.at)
    dataset = db.get_one(DatasetRow, row.dataset)
    revisions.check(dataset, expected)
    _check_replacement(db, by, ref, replacement, change=change)
    after = advance(
        standings.standing(row),
        step,
        by=by.id,
        reason=reason,
        now=change.at,
        severity=severity,
        replacement=replacement,
    )
    admission.take(db, change, dataset, row, step, after)
    return releases.stated(db, by, row, now=change.at)


def _check_replacement(
    db: Session, by: Actor, ref: DatasetRef, replacement: int | None, *, change: Change
) -> None:
    if replacement is None:
        return
    instead = ref.at(replacement)
    if replacement == ref.version:
        raise InvalidInput(f"{ref} cannot take its own place", hint="name another version")
    row = datasets.found(db, by, instead, now=change.at)
    if row.state not in READABLE:
        raise InvalidInput(
            f"{instead} is {row.state}: readers cannot be sent there",
            hint="name a version that is published",
        )
    standings.check_there(row, naming.of_rows(db, [row])[0])
