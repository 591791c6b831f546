"""Steps by which readers get a version that they did not get: what it must be for that.

A draft, or a version that was taken back, was judged when it was published; contract, schema and
data may be others by now.
"""

from dataclasses import replace

from sqlalchemy.orm import Session

from provender.catalog import contracts, naming, standings
from provender.catalog import evidence as measured
from provender.catalog.changes import Change
from provender.catalog.rows import DatasetRow, VersionRow
from provender.core.contracts import keeps_back
from provender.core.datasets import Evidence
from provender.core.errors import Conflict
from provender.core.lifecycle import READABLE, Standing, State, Step, advance
from provender.core.schema import Verdict
from provender.core.versioning import check_unbroken


def take(
    db: Session,
    change: Change,
    dataset: DatasetRow,
    row: VersionRow,
    step: Step,
    after: Standing,
    *,
    offered: Evidence | None = None,
) -> None:
    """Let a version stand as ``after`` says; a draft that its contract refuses is quarantined.

    ``offered`` is what was measured of it anew. A steward who releases or restores a version
    has the last word on its checks.

    Raises:
        Conflict: it is a draft, and a later version was published meanwhile: readers would not
            get it.
        Gone: readers would get it, and its data was deleted.
        Incompatible: readers would get it next, its schema breaks them, and no reason is given.
    """
    verdict = None
    if after.state in READABLE and row.state not in READABLE:
        version = naming.called(row.value, dataset.name)
        standings.check_there(row, version)
        if step is Step.PUBLISH and dataset.latest is not None and dataset.latest > row.number:
            raise Conflict(
                f"{dataset.name}@{dataset.latest} was published after the draft {version.ref}: "
                "readers would not get it",
                hint="publish its rows again: they become a version that comes after it",
            )
        if step is Step.PUBLISH and not _keeps_contract(db, row, offered, change=change):
            after = replace(after, state=State.QUARANTINED)
        else:
            verdict = _check_unbroken(db, dataset, row, after)
    standings.take(db, change, dataset, row, step, after, verdict=verdict)


def publish_again(
    db: Session, change: Change, row: VersionRow, offered: Evidence, *, reason: str
) -> None:
    """Publish a draft whose rows came again, or a quarantined version that passes its contract now.

    Raises:
        Gone, Incompatible: as `take`.
    """
    dataset, stands = db.get_one(DatasetRow, row.dataset), standings.standing(row)
    if stands.state is State.DRAFT:
        step, known = Step.PUBLISH, offered
    elif offered.profile is not None and _keeps_contract(db, row, offered, change=change):
        step, known = Step.RELEASE, None
    else:
        return
    after = advance(stands, step, by=change.actor, reason=reason, now=change.at)
    take(db, change, dataset, row, step, after, offered=known)


def _keeps_contract(
    db: Session, row: VersionRow, offered: Evidence | None, *, change: Change
) -> bool:
    """Judge a version by the contract in force now, and keep what that says."""
    known = measured.of(db, row)
    if offered is not None and offered.profile is not None:
        measured.keep_profile(db, row.dataset, row.number, offered.profile)
        known = replace(known, profile=offered.profile)
    own = tuple(check for check in known.checks if not check.contract)
    judged = contracts.judge(db, row.dataset, row.value.manifest, known, now=change.at)
    if judged:
        measured.keep_checks(db, row.dataset, row.number, (*own, *judged))
    return not keeps_back((*own, *judged))


def _check_unbroken(
    db: Session, dataset: DatasetRow, row: VersionRow, after: Standing
) -> Verdict | None:
    """How its schema follows what readers get; None where it was published on top of that.

    Its publisher gave a reason to those who read what came before it, and to nobody else.
    """
    latest = dataset.latest
    if latest is None or latest > row.number or latest == row.value.parent:
        return None
    there = naming.called(db.get_one(VersionRow, (dataset.id, latest)).value, dataset.name)
    offered = naming.called(row.value, dataset.name)
    return check_unbroken(there, offered.ref, offered.manifest, reason=after.reason).verdict
