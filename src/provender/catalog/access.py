"""The gate. `check` says whether an actor may and hands out permits; `visible` lists what they see.

Both ask `core.policy.decide`: `check` of the datasets it is about, `visible` once of each scope
and grant; a property test holds them together. A refusal is written down in a transaction of its own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from provender.catalog import audit, epoch, listing, naming, testimony, whence
from provender.catalog.nominate import LAST
from provender.catalog.queries import is_postgresql
from provender.catalog.rows import AuditRow, DatasetNameRow, DatasetRow, GrantRow, PurposeRow
from provender.core.audit import EventKind
from provender.core.datasets import Dataset
from provender.core.errors import Denied, NotFound
from provender.core.names import NO_DATASETS, DatasetRef, is_dataset_name, suggest, unknown
from provender.core.people import Actor
from provender.core.policy import (
    EVERY,
    Action,
    ColumnRef,
    Decision,
    Grant,
    Permit,
    Reason,
    decide,
)

EVERYTHING = ColumnRef(EVERY)
"""What GOVERN is asked of."""
SUGGESTED = 300  # names of each kind of nearness, to choose a suggestion from
ROWS_READ = (Action.READ, Action.SERVE)  # their permits are written down: each lets rows out


class Refused(Denied):
    """The decision was no, and is to be written down."""

    def __init__(self, decision: Decision, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint, facts=decision.facts)
        self.decision = decision


class Hidden(NotFound):
    """The decision was no, and the actor may not even know that it is there."""

    def __init__(self, decision: Decision, error: NotFound) -> None:
        super().__init__(error.message, hint=error.hint, what=error.what)
        self.decision = decision


def actor(db: Session, identity: str) -> Actor:
    """Return who ``identity`` is, with the teams, projects and attributes that the catalog knows."""
    return epoch.actor(db, identity)


def explain(
    db: Session,
    who: Actor,
    action: Action,
    columns: Iterable[ColumnRef],
    *,
    purpose: str,
    now: datetime,
    seen_by: Actor | None = None,
) -> Decision:
    """Return the decision, whatever it is; to ``seen_by`` what they may not discover is not there.

    Raises:
        NotFound: the purpose is not declared.
    """
    _check_purpose(db, purpose)
    return weigh(db, who, action, columns, purpose=purpose, now=now, seen_by=seen_by)


def weigh(
    db: Session,
    who: Actor,
    action: Action,
    columns: Iterable[ColumnRef],
    *,
    purpose: str,
    now: datetime,
    seen_by: Actor | None = None,
    also: Sequence[Grant] = (),
) -> Decision:
    """`explain`, as if ``also`` were in force; a purpose that is not declared opens nothing."""
    asked = list(columns)
    called = naming.current(db, {column.dataset for column in asked})
    datasets = _datasets(db, called.values())
    if seen_by is not None:
        datasets = {
            name: dataset
            for name, dataset in datasets.items()
            if _decide(
                db, seen_by, Action.DISCOVER, [ColumnRef(name)], datasets, purpose="", now=now
            ).allowed
        }
        called = {name: now if now in datasets else name for name, now in called.items()}
    asked = [replace(column, dataset=called[column.dataset]) for column in asked]
    told = seen_by or who
    return _decide(db, who, action, asked, datasets, purpose=purpose, also=also, now=now, told=told)


def check(
    db: Session,
    who: Actor,
    action: Action,
    columns: Iterable[ColumnRef],
    *,
    purpose: str = "",
    versions: Iterable[DatasetRef] = (),
    now: datetime,
    request: str = "",
    doing: str = "change governance",
) -> Permit:
    """Return proof that ``who`` may do ``action`` to ``columns``. Call it through a `Door`.

    ``versions``, where given, are those that are read: written down with the permit. Who does
    not govern is told what they were ``doing``.

    Raises:
        Denied: they may not; the hint names who can grant it.
        NotFound: a dataset is not there, or is not theirs to discover (the same words for
            both), or the purpose is not declared.
    """
    asked = list(columns)
    decision = explain(db, who, action, asked, purpose=purpose, now=now)
    if decision.allowed:
        if action in ROWS_READ:
            write_down(db, decision, EventKind.ACCESS_PERMIT, versions, at=now, request=request)
        permit = decision.require()
        if permit.columns.issuperset(asked):
            return permit
        return permit.under(naming.current(db, {column.dataset for column in asked}))
    called = naming.current(db, [column.dataset for column in asked])
    asked_for = {current: name for name, current in called.items()}
    for name in _closed_datasets(decision):
        if name != EVERY and not _may_discover(db, who, name, now=now):
            raise Hidden(decision, unknown_dataset(db, who, asked_for[name], now=now))
    if action is Action.GOVERN:
        raise Refused(decision, f"{who} may not {doing}", hint=_who_governs(db))
    try:
        return decision.require()
    except Denied as error:
        raise Refused(decision, error.message, hint=error.hint) from None


def discover(db: Session, who: Actor, name: str, *, now: datetime) -> Dataset:
    """Return the declaration of the dataset that is called ``name``, or was once.

    Raises:
        NotFound: it is not there, or not for ``who`` to discover: that is written down.
    """
    return discovered(db, who, name, now=now).value


def discovered(db: Session, who: Actor, name: str, *, now: datetime) -> DatasetRow:
    """Return the row of the dataset that is called ``name``, or was once; raises as `discover`."""
    row = naming.locate(db, name)
    if row is None or row.withdrawn_at is not None:
        raise absent(db, who, name, now=now)
    decision = _discovers(db, who, row.name, {row.name: row.value}, now=now)
    if not decision.allowed:
        raise Hidden(decision, unknown_dataset(db, who, name, now=now))
    return row


def absent(db: Session, who: Actor, name: str, *, now: datetime) -> NotFound:
    """Return the error for a dataset that is not there for anybody.

    It is written down as one that is hidden, if there could be one: else who asks could tell
    them apart by the time.
    """
    error = unknown_dataset(db, who, name, now=now)
    return Hidden(_discovers(db, who, name, {}, now=now), error) if is_dataset_name(name) else error


def discoverable(
    db: Session, who: Actor, datasets: Mapping[str, Dataset], *, now: datetime
) -> set[str]:
    """Return the names of those of ``datasets``, as they are given, that ``who`` may discover."""
    asked = [ColumnRef(name) for name in datasets]
    decision = _decide(db, who, Action.DISCOVER, asked, datasets, purpose="", now=now)
    return {reason.column.dataset for reason in decision.reasons if reason.allowed}


def told_values(
    db: Session, who: Actor, row: DatasetRow, columns: Collection[str], *, now: datetime
) -> set[str]:
    """Return those of ``columns`` of which ``who`` may be told values, by a profile.

    Who may read them for some purpose, whole, or, of those that are not protected, may publish.
    """
    purposes = ("", *db.scalars(select(PurposeRow.name)))
    closed, of = set(columns), {row.name: row.value}
    for action, purpose in [(Action.PUBLISH, ""), *((Action.READ, one) for one in purposes)]:
        if left := [ColumnRef(row.name, name) for name in closed]:
            found = _decide(db, who, action, left, of, purpose=purpose, now=now).reasons
            whole = (r for r in found if r.is_whole and (action is Action.READ or not r.tags))
            closed -= {one.column.column for one in whole}
    return set(columns) - closed


def unknown_dataset(db: Session, who: Actor, name: str, *, now: datetime) -> NotFound:
    """Return the error for a dataset that is not there for ``who``.

    It names a near one of those that begin alike, of its domain or of the first ones by name.
    """
    seen = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
    shown = select(DatasetRow.name).where(listing.among(db, seen))
    domain, _, rest = name.partition(".")
    near: dict[str, None] = {}
    for begin in (f"{domain}.{rest[:2]}", f"{domain}.", ""):
        like = shown.where(DatasetRow.name >= begin, DatasetRow.name < begin + LAST)
        near |= dict.fromkeys(db.scalars(like.order_by(DatasetRow.name).limit(SUGGESTED)))
    return unknown("dataset", name, near, none=NO_DATASETS)


def visible(db: Session, who: Actor, action: Action, *, now: datetime) -> Select[str]:
    """Return the query of the names of datasets that ``who`` may do ``action`` to, at ``now``.

    The same as asking `check` about each dataset as a whole, without a purpose.
    """
    shown = is_visible(db, who, action, now=now)
    return select(DatasetRow.name).where(shown).correlate(None)


def is_visible(db: Session, who: Actor, action: Action, *, now: datetime) -> ColumnElement[bool]:
    """Return the condition of `visible` on `DatasetRow`."""
    return listing.among(db, epoch.visible_scopes(db, who, action, now=now))


def readable_events(db: Session, who: Actor, *, now: datetime) -> ColumnElement[bool]:
    """Return the condition on audit events that ``who`` may read if they do not read all.

    What they did, and what befell datasets they are steward of. That they were refused what they
    may not discover, there or not, is not theirs to read: it would say which. A token for some
    datasets reads what is about those.
    """
    about = _subject_is(db, is_visible(db, who, Action.STEWARD, now=now))
    known = _subject_is(db, is_visible(db, who, Action.DISCOVER, now=now))
    denied = AuditRow.kind == EventKind.ACCESS_DENY.value
    telling = and_(denied, AuditRow.subject != EVERY, ~known)
    own = and_(AuditRow.actor == who.id, ~telling)
    return or_(own if who.limits.of_every_dataset else and_(own, known), about)


def _subject_is(db: Session, shown: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether an event is about a dataset that is ``shown``, or a version of one."""
    place = func.strpos if is_postgresql(db) else func.instr
    name = func.substr(AuditRow.subject, 1, place(AuditRow.subject.concat("@"), "@") - 1)
    found = exists().where(
        DatasetNameRow.name == name, DatasetNameRow.dataset == DatasetRow.id, shown
    )
    return found.correlate(AuditRow)


def governs(db: Session, who: Actor, *, now: datetime) -> bool:
    """Return whether ``who`` may change governance, and so may know all."""
    return explain(db, who, Action.GOVERN, [EVERYTHING], purpose="", now=now).allowed


def _discovers(
    db: Session, who: Actor, name: str, datasets: Mapping[str, Dataset], *, now: datetime
) -> Decision:
    asked = [ColumnRef(name)]
    return _decide(db, who, Action.DISCOVER, asked, datasets, purpose="", now=now)


def _may_discover(db: Session, who: Actor, name: str, *, now: datetime) -> bool:
    asked = [ColumnRef(name)]
    return explain(db, who, Action.DISCOVER, asked, purpose="", now=now).allowed


def _closed_datasets(decision: Decision) -> list[str]:
    closed = (reason.column.dataset for reason in decision.reasons if not reason.allowed)
    return list(dict.fromkeys(closed))


def _decide(
    db: Session,
    who: Actor,
    action: Action,
    columns: Iterable[ColumnRef],
    datasets: Mapping[str, Dataset],
    *,
    purpose: str,
    also: Sequence[Grant] = (),
    now: datetime,
    told: Actor | None = None,
) -> Decision:
    """What `core.policy.decide` says of datasets with the tags that their columns carry."""
    asked = list(columns)
    carried = whence.of_columns(db, asked)
    policy = epoch.policy(db)
    decision = decide(
        who,
        action,
        asked,
        purpose=purpose,
        datasets=whence.carrying(datasets, carried),
        protected=policy.protected,
        rules=policy.rules,
        grants=(*_grants(db, who, datasets), *also),
        now=epoch.settled(db, now),
    )
    return whence.explained(db, decision, carried, told or who, now=now) if carried else decision


def _datasets(db: Session, names: Iterable[str]) -> dict[str, Dataset]:
    wanted = sorted(names)
    there = (DatasetRow.name.in_(wanted), DatasetRow.withdrawn_at.is_(None))
    found = (
        () if not wanted or wanted == [EVERY] else db.scalars(select(DatasetRow).where(*there))
    )  # rows: one that is there is not read again
    return {row.name: row.value for row in found}


def _grants(db: Session, who: Actor, datasets: Iterable[str]) -> Sequence[Grant]:
    names = sorted(datasets)
    grantees = epoch.grantees(db).intersection(who.names)
    if not (names and grantees):
        return ()
    return db.scalars(
        select(GrantRow.value)
        .where(
            GrantRow.dataset == DatasetRow.id,
            DatasetRow.name.in_(names),
            GrantRow.grantee.in_(sorted(grantees)),
            GrantRow.revoked_at.is_(None),
        )
        .order_by(GrantRow.number)
    ).all()


def _check_purpose(db: Session, purpose: str) -> None:
    if purpose and db.get(PurposeRow, purpose) is None:
        declared = db.scalars(select(PurposeRow.name)).all()
        raise NotFound(
            f"purpose {purpose!r} is not declared",
            hint=f"{suggest(purpose, declared)} Purposes are declared in catalog/purposes.yml",
            what="purpose",
        )


def _who_governs(db: Session) -> str:
    names = {
        name
        for rule in epoch.policy(db).rules
        if Action.GOVERN in rule.actions
        for name in rule.actors
    }
    if not names:
        return "no rule lets anybody; restore the catalog from a backup"
    return f"{' or '.join(sorted(names))} can"


def write_down(
    db: Session,
    decision: Decision,
    kind: EventKind,
    versions: Iterable[DatasetRef] = (),
    *,
    at: datetime,
    request: str = "",
) -> None:
    """Append one event for each dataset that was asked about."""
    read = [(ref.dataset, ref.version) for ref in versions]
    identity, told, shadows = decision.id, _told(decision.reasons), _told(decision.shadow)
    for name, reasons in told.items():
        audit.append(
            db,
            at=at,
            actor=decision.actor,
            kind=kind,
            subject=name,
            request=request,
            detail={
                "action": decision.action,
                **testimony.of(db, decision, name),
                "purpose": decision.purpose,
                "decision": identity,
                "reasons": reasons,
                **({"versions": [n for of, n in read if of == name]} if read else {}),
                **({"shadow": shadows[name]} if name in shadows else {}),
            },
        )


def _told(reasons: Iterable[Reason]) -> dict[str, dict[str, str]]:
    """What is said of columns, by dataset and column."""
    found: dict[str, dict[str, str]] = {}
    for reason in reasons:
        found.setdefault(reason.column.dataset, {})[reason.column.column] = reason.because
    return found
