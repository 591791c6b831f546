"""The ways in which a dataset is open, as conditions of SQL: by office, by rule, by grant."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, false, or_, true

from provender.catalog.patterns import name_pattern
from provender.catalog.rows import AssignmentRow, DatasetRow, GrantRow, OwnerRow
from provender.core.policy import EVERY, Action


def by_office(names: Sequence[str]) -> ColumnElement[bool]:
    return exists().where(OwnerRow.dataset == DatasetRow.id, OwnerRow.actor.in_(names))


def by_grant(
    names: Sequence[str], action: Action, protected: frozenset[str], *, now: datetime
) -> ColumnElement[bool]:
    whole = and_(GrantRow.whole, open_but_for(protected))
    in_force = and_(
        GrantRow.dataset == DatasetRow.id,
        GrantRow.grantee.in_(names),
        GrantRow.revoked_at.is_(None),
        or_(GrantRow.until.is_(None), GrantRow.until > now),
    )
    if action is Action.DISCOVER:
        return exists().where(in_force, or_(~GrantRow.whole, whole))
    return exists().where(in_force, GrantRow.action == action.value, GrantRow.any_purpose, whole)


def open_but_for(closing: frozenset[str]) -> ColumnElement[bool]:
    if not closing:
        return true()
    closed = exists().where(
        AssignmentRow.dataset == DatasetRow.id,
        AssignmentRow.column_name == "",
        AssignmentRow.tag.in_(sorted(closing)),
    )
    return ~closed.correlate(DatasetRow)  # however deep it stands: said, because not guessed


def matches(patterns: Iterable[str]) -> ColumnElement[bool]:
    """Whether ``fnmatchcase(name, pattern)`` of any pattern, in SQL: one expression for all."""
    listed = sorted(set(patterns))
    if EVERY in listed:
        return true()
    if not listed:
        return false()
    return DatasetRow.name.regexp_match("|".join(map(name_pattern, listed)))
