"""Grants: given and taken back by a dataset's owner and stewards, never to oneself."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    audit,
    changes,
    datasets,
    epoch,
    history,
    naming,
    standings,
    tokens,
    whence,
)
from provender.catalog.changes import Change
from provender.catalog.rows import (
    DatasetNameRow,
    DatasetRow,
    GrantRow,
    PersonRow,
    ProjectRow,
    PurposeRow,
    TagRow,
    TeamRow,
)
from provender.core import rulefit
from provender.core.audit import EventKind
from provender.core.datasets import Dataset
from provender.core.effects import Effect
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.names import DatasetRef, suggest, unknown
from provender.core.people import Actor, check_actor_id
from provender.core.policy import EVERY, GRANTED, Action, ColumnRef, Grant

SAID_IF = ("request", "mask", "through")
"""Parts of a grant that its event tells where they say something.

Not what it was asked for: whoever reads of the dataset need not know of that.
"""
SUGGESTED = 50
"""How many ids a hint is chosen from."""


def grant(
    db: Session,
    by: Actor,
    ref: DatasetRef,
    *,
    grantee: str,
    action: Action,
    columns: Sequence[str] = (),
    purposes: Sequence[str] = (EVERY,),
    until: datetime | None = None,
    reason: str = "",
    effect: Effect = Effect.SEE,
    mask: str = "",
    through: str = "",
    change: Change,
) -> Grant:
    """Return the grant that lets ``grantee`` do ``action`` to ``columns`` (none: the unprotected).

    They get them as ``effect`` and ``mask`` say, and ``through`` a project only, if it is said. An equal grant that is in force is returned as it is.

    Raises:
        Denied: ``by`` neither owns nor stewards the dataset, or would grant to themselves.
        NotFound: the dataset, a column, a purpose or the grantee is unknown.
        InvalidInput: ``until`` is over already, or nobody can be granted that action.
    """
    dataset = access.discover(db, by, ref.dataset, now=change.at)
    access.check(db, by, Action.STEWARD, [ColumnRef(ref.dataset)], now=change.at)
    check_actor_id(grantee)
    if grantee in by.names or tokens.alike(db, by.id, [grantee]):
        raise Denied(
            f"{by} cannot grant access to themselves, nor to a team or service of theirs",
            hint=f"ask another of {', '.join(dataset.who_decides)}",
        )
    check_alone(db, dataset, columns)
    asked = Grant(
        id="",
        grantee=grantee,
        action=action,
        dataset=dataset.ref.dataset,
        granted_by=by.id,
        granted_at=change.at,
        columns=tuple(sorted(set(columns))),
        purposes=tuple(sorted(set(purposes))),
        until=until,
        reason=reason,
        effect=effect,
        mask=mask,
        through=through,
    )
    return give(db, asked, change=change)


def give(db: Session, asked: Grant, *, change: Change) -> Grant:
    """Return the grant that is ``asked``, with its id; an equal one in force as it is.

    Whoever calls has checked that it may be given.

    Raises:
        NotFound, InvalidInput: as `grant`.
    """
    row = naming.locate(db, asked.dataset)
    if row is None or row.withdrawn_at is not None:
        raise unknown("dataset", asked.dataset, ())
    asked = replace(asked, dataset=row.name)
    check_grantee(db, asked.grantee)
    check_terms(db, asked.action, asked.purposes, asked.until, now=change.at)
    check_columns(db, row.value, asked.columns)
    _check_part(db, row, asked)
    return _in_force_already(db, asked, now=change.at) or _add(db, asked, change=change)


def revoke(db: Session, by: Actor, identity: str, *, change: Change) -> Grant:
    """Return the grant called ``identity``, over as of ``change``, or since it was revoked first.

    Raises:
        NotFound: there is no such grant among those that ``by`` may see.
        Denied: ``by`` neither owns nor stewards its dataset.
    """
    row = granted_row(db, by, identity, now=change.at)
    access.check(db, by, Action.STEWARD, [ColumnRef(row.value.dataset)], now=change.at)
    if row.value.revoked_at is None:
        _end(db, row, change=change)
    return row.value


def end(db: Session, identity: str, *, change: Change) -> None:
    """End the grant called ``identity`` now, if it has not ended; whoever calls may."""
    row = db.get(GrantRow, int(identity.removeprefix("g")))
    if row is not None and row.value.in_force(change.at):
        _end(db, row, change=change)


def revoke_all(db: Session, concerning: str, *, change: Change) -> None:
    """End every grant to a grantee, or on a dataset, that is gone: over for good, whatever comes."""
    concerned = or_(GrantRow.grantee == concerning, GrantRow.dataset.in_(_number(concerning)))
    wanted = select(GrantRow).where(concerned, GrantRow.revoked_at.is_(None))
    for row in db.scalars(wanted.order_by(GrantRow.number)).all():
        _end(db, row, change=change)


def grants(
    db: Session,
    by: Actor,
    ref: DatasetRef | None = None,
    *,
    limit: int | None = None,
    after: str = "",
    now: datetime,
) -> list[Grant]:
    """Return the grants that ``by`` may see, oldest first: their own, and on datasets they steward.

    At most ``limit`` of those beyond the grant ``after``, where there are such.
    """
    if ref is not None:
        access.discover(db, by, ref.dataset, now=now)
    rows = _rows(db, by, ref, beyond=_number_of(after), limit=limit, now=now)
    return [row.value for row in rows]


def granted(db: Session, by: Actor, identity: str, *, now: datetime) -> Grant:
    """Return one of the grants that ``by`` may see.

    Raises:
        NotFound: there is none of that id.
    """
    return granted_row(db, by, identity, now=now).value


def granted_row(db: Session, by: Actor, identity: str, *, now: datetime) -> GrantRow:
    """Return the row of one of the grants that ``by`` may see; raises as `granted`."""
    number = identity.removeprefix("g")
    if number.isascii() and number.isdecimal() and 0 < int(number[:10]) == int(number):
        for row in _rows(db, by, beyond=int(number) - 1, limit=1, now=now):
            if row.value.id == identity:
                return row
    raise unknown("grant", identity, (one.id for one in grants(db, by, limit=SUGGESTED, now=now)))


def _number_of(identity: str) -> int:
    """The number of a grant called ``g7``; 0 for none."""
    number = identity.removeprefix("g")
    if identity and not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise InvalidInput(
            f"{identity!r} is not a grant", hint="grants are called g1, g2 and so on"
        )
    return int(number or 0)


def _rows(
    db: Session,
    by: Actor,
    ref: DatasetRef | None = None,
    *,
    beyond: int = 0,
    limit: int | None = None,
    now: datetime,
) -> Sequence[GrantRow]:
    stewards = access.is_visible(db, by, Action.STEWARD, now=now)
    stewarded = exists().where(DatasetRow.id == GrantRow.dataset, stewards)
    wanted = select(GrantRow).where(or_(stewarded, GrantRow.grantee.in_(by.names)))
    if ref is not None:
        wanted = wanted.where(GrantRow.dataset.in_(_number(ref.dataset)))
    further = wanted.where(GrantRow.number > beyond) if beyond else wanted
    return db.scalars(further.order_by(GrantRow.number).limit(limit)).all()


def _number(name: str) -> Select[int]:
    return select(DatasetNameRow.dataset).where(DatasetNameRow.name == name)


def _end(db: Session, row: GrantRow, *, change: Change) -> None:
    row.revoked_at, row.value = change.at, replace(row.value, revoked_at=change.at)
    history.keep(db, change, "grant", row.value.id, row.value)
    epoch.bump(db)
    changes.tell(
        db,
        change,
        EventKind.ACCESS_REVOKE,
        row.value.dataset,
        {"grant": row.value.id, "grantee": row.grantee, "action": row.action},
    )


def _add(db: Session, asked: Grant, *, change: Change) -> Grant:
    number = audit.count(db, EventKind.ACCESS_GRANT) + 1  # never that of one that is gone
    given = replace(asked, id=f"g{number}")
    db.add(
        GrantRow(
            number=number,
            dataset=naming.numbers(db, [given.dataset])[given.dataset],
            object_kind=given.asked_for.partition(":")[0] or "dataset",
            object=given.asked_for.partition(":")[2],
            grantee=given.grantee,
            action=given.action.value,
            whole=not given.columns,
            any_purpose=EVERY in given.purposes,
            until=given.until,
            revoked_at=None,
            value=given,
        )
    )
    history.keep(db, change, "grant", given.id, given)
    epoch.bump(db)
    changes.tell(
        db,
        change,
        EventKind.ACCESS_GRANT,
        given.dataset,
        {
            "grant": given.id,
            "grantee": given.grantee,
            "action": given.action,
            "columns": given.columns,
            "purposes": given.purposes,
            "until": given.until,
            "reason": given.reason,
            **{name: said for name in SAID_IF if (said := getattr(given, name))},
            **({} if given.effect is Effect.SEE else {"effect": given.effect}),
        },
    )
    return given


def _in_force_already(db: Session, asked: Grant, *, now: datetime) -> Grant | None:
    same = select(GrantRow.value).where(
        GrantRow.dataset.in_(_number(asked.dataset)),
        GrantRow.grantee == asked.grantee,
        GrantRow.revoked_at.is_(None),
    )
    for given in db.scalars(same):
        as_asked = replace(asked, id=given.id, granted_at=given.granted_at)
        if given.in_force(now) and given == as_asked:
            return given
    return None


def four_eyed(db: Session, dataset: Dataset, columns: Sequence[str]) -> list[str]:
    """Return those of ``columns`` to which one person alone gives no access."""
    protecting = db.scalars(select(TagRow.value).where(TagRow.protected))
    tags = {tag.name for tag in protecting if tag.four_eyes}
    full = carrying(db, dataset, columns)
    return [column for column in columns if full.tags_of(column) & tags]


def carrying(db: Session, dataset: Dataset, columns: Sequence[str]) -> Dataset:
    """Return ``dataset`` with the tags, too, that came to ``columns`` of it."""
    name = dataset.ref.dataset
    came = whence.of_columns(db, [ColumnRef(name, column) for column in columns])
    return whence.carrying({name: dataset}, came)[name]


def check_alone(db: Session, dataset: Dataset, columns: Sequence[str]) -> None:
    """Check that one person alone may give access to ``columns``; Denied if it takes two."""
    if closed := four_eyed(db, dataset, columns):
        raise Denied(
            f"access to {dataset.ref}.{', '.join(closed)} takes the approval of two people",
            hint=f"let who needs it ask: provender access request {dataset.ref} "
            f"--columns {','.join(closed)}; then two of {', '.join(dataset.who_decides)} approve",
        )


def check_grantee(db: Session, grantee: str) -> None:
    """Check that ``grantee`` is declared; NotFound, with a near one, if not."""
    if db.get(PersonRow, grantee) or db.get(TeamRow, grantee):
        return
    known = [*db.scalars(select(PersonRow.id)), *db.scalars(select(TeamRow.id))]
    raise NotFound(
        f"{grantee} is not declared",
        hint=f"people and teams are declared in catalog/people.yml; {suggest(grantee, known)}",
        what="person",
    )


def check_terms(
    db: Session, action: Action, purposes: Iterable[str], until: datetime | None, *, now: datetime
) -> None:
    """Check that ``action`` can be granted for declared ``purposes``, until an instant to come.

    Raises:
        NotFound: a purpose is not declared.
        InvalidInput: the rest.
    """
    if action not in GRANTED:
        raise InvalidInput(
            f"{action} is not for granting",
            hint="stewards are named in catalog/datasets/, governors by a rule in catalog/policies/",
        )
    declared = db.scalars(select(PurposeRow.name)).all()
    asked = list(purposes)
    if not asked:
        raise InvalidInput("a grant without a purpose opens nothing", hint="name one, or *")
    for purpose in asked:
        if purpose != EVERY and purpose not in declared:
            raise unknown("purpose", purpose, declared)
    if until is not None and until.tzinfo is None:
        raise InvalidInput(f"until {until} has no time zone", hint="give an instant in UTC")
    if until is not None and until <= now:
        raise InvalidInput(
            f"until {until.isoformat()} is over already", hint="name an instant in the future"
        )


def _check_part(db: Session, row: DatasetRow, asked: Grant) -> None:
    """Check that what ``asked`` gives of columns can be given of them, and who it is through.

    Raises:
        InvalidInput: it cannot.
        NotFound: there is no such project.
    """
    if asked.through:
        projects = db.scalars(select(ProjectRow.name)).all()
        if asked.through not in projects:
            raise unknown("project", asked.through, projects)
    newest = standings.newest(db, row.id)
    schema = newest.value.manifest.schema if newest is not None else None
    names = schema.names if schema is not None else ()
    full = carrying(db, row.value, names)
    protected = epoch.policy(db).protected
    closed = [name for name in names if full.tags_of(name) & protected]
    for problem in rulefit.grant_problems(asked, schema, closed):
        raise InvalidInput(problem, hint="see Masks in docs/reference/policies.md")


def check_columns(db: Session, dataset: Dataset, columns: Sequence[str]) -> None:
    """Check that ``dataset`` has ``columns``; NotFound, with a near one, if not."""
    known = datasets.column_names(db, dataset)
    for column in columns:
        if column not in known:
            raise unknown(f"column of {dataset.ref}", column, known)
