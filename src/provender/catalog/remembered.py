"""What the catalog remembers of an object, for one actor: each state, with who, when and why.

Rights are today's: what is closed now tells nothing of the time when it was open. What was
closed by a tag then stays closed, too: a state is shown if its dataset could be discovered now
with the tags of then and of now.
"""

import json
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    domains,
    features,
    grants,
    hindsight,
    history,
    mentions,
    rulebook,
    visibility,
)
from provender.catalog.access import EVERYTHING
from provender.catalog.rows import DatasetRow, HistoryRow, PersonRow
from provender.core.audit import Remembered
from provender.core.datasets import Dataset, Listed
from provender.core.digest import canonical, plain
from provender.core.errors import InvalidInput, NotFound
from provender.core.features import RepoSpec
from provender.core.names import DatasetRef, is_legible, unknown
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Grant, Rule
from provender.values import from_json

PREFIX = "urn:"
OPEN = frozenset({"domain", "person", "project", "purpose", "rule", "tag", "team", "term"})
"""Kinds that everybody may know of; but people who were taken away are for who governs, domains
as `domains` has it, and projects for those who know definitions of theirs."""
SUGGESTED = 2000
PARTLY = frozenset({"definitions", "rule"})
"""Kinds of which each state is shown as far as it may be known: of no known state there is none."""
OF_DATASETS = frozenset({"contract", "dataset", "retention", "version"})
"""Kinds whose keys are a dataset's URN or name, perhaps with ``@`` and a version."""
KINDS = frozenset({*OPEN, *OF_DATASETS, "definitions", "grant", "task"})


def remembered(
    db: Session, who: Actor, kind: str, key: str, *, limit: int, after: str, now: datetime
) -> Listed[Remembered]:
    """Return the states of an object, the newest first.

    The ``key`` of a dataset is its URN or its name, that of a version ends with ``@`` and the
    number.

    Raises:
        NotFound: nothing of that kind and key was ever there for ``who``.
        Denied: it is for who governs, or stewards the dataset.
        InvalidInput: ``after`` is not where a list goes on.
    """
    if kind not in KINDS:
        raise unknown("kind of history", kind, KINDS)
    key = _key(db, who, kind, key, now=now)
    rows = history.states(db, kind, key, before=_sequence(after), limit=limit + 1)
    shown = tuple(
        one for row in rows[:limit] if (one := _shown(db, who, kind, key, row, now=now)) is not None
    )
    if not after and (not rows or (kind in PARTLY and not shown)):
        raise _unknown(db, kind, key)
    return Listed(shown, str(rows[limit - 1].from_sequence) if len(rows) > limit else None)


def _key(db: Session, who: Actor, kind: str, key: str, *, now: datetime) -> str:
    """The key that history has for ``key``, if ``who`` may know of its object."""
    if not is_legible(key):
        raise _unknown(db, kind, key)
    if kind in OF_DATASETS:
        named, at, number = key.partition("@")
        row = _discovered(db, who, named, now=now)
        if kind == "retention" and not access.governs(db, who, now=now):
            # a hold says why, to those who may set or lift one
            access.check(db, who, Action.STEWARD, [ColumnRef(row.name)], now=now)
        return row.urn + at + number
    if kind == "grant":
        grants.granted(db, who, key, now=now)
    elif kind == "person":
        if db.get(PersonRow, key) is None and not access.governs(db, who, now=now):
            raise _unknown(db, kind, key)
    elif kind == "domain":
        open_to = domains.known(db, who, now=now)
        if open_to is not None and key not in open_to:
            raise unknown(kind, key, open_to)
    elif kind == "project" and not features.knows(db, who, key, now=now):
        raise _unknown(db, kind, key)
    elif kind == "task":
        access.check(db, who, Action.GOVERN, [EVERYTHING], now=now, doing="read a task's history")
    return key


def _unknown(db: Session, kind: str, key: str) -> NotFound:
    """The error for what never was; of what everybody may know it names what there is."""
    if kind not in OPEN - {"project", "rule"}:
        return NotFound(f"{kind} {key!r} not found", what=kind)
    there = select(HistoryRow.key).where(
        HistoryRow.kind == kind, HistoryRow.to_sequence.is_(None), HistoryRow.value.is_not(None)
    )
    return unknown(kind, key, db.scalars(there.order_by(HistoryRow.key).limit(SUGGESTED)))


def _discovered(db: Session, who: Actor, named: str, *, now: datetime) -> DatasetRow:
    if not named.startswith(PREFIX):
        return hindsight.discovered(db, who, DatasetRef.parse(named).dataset, now=now)
    name = db.scalars(select(DatasetRow.name).where(DatasetRow.urn == named)).first()
    if name is None:
        raise access.unknown_dataset(db, who, named, now=now)
    try:
        return hindsight.discovered(db, who, name, now=now)
    except access.Hidden as hidden:  # by the name that it was asked for by, and no other
        error = access.unknown_dataset(db, who, named, now=now)
        raise access.Hidden(hidden.decision, error) from None


def _shown(
    db: Session, who: Actor, kind: str, key: str, row: HistoryRow, *, now: datetime
) -> Remembered | None:
    """The state as far as ``who`` may know it; None: not at all."""
    if kind == "rule":
        return _rule(db, who, row, now=now)
    value = None if row.value is None else json.loads(row.value)
    if value is not None and kind == "dataset":
        then = from_json(Dataset, row.value or "")
        if key not in hindsight.shown(db, who, {key: then}, now=now):
            return None
        (told,) = visibility.told(db, who, [then], now=now)
        value = json.loads(canonical(told))  # in the order that is kept
    if value is not None and kind == "grant":
        given = mentions.grant(db, who, from_json(Grant, row.value or ""), now=now)
        value = json.loads(canonical(given))
    if value is not None and kind == "definitions":
        part = features.known_part(db, who, from_json(RepoSpec, row.value or ""), now=now)
        if part is None:
            return None
        value = plain(part)
    return Remembered(
        value=value,
        since=row.from_at,
        until=row.to_at,
        by=row.by,
        reason=row.reason,
        revision=row.from_sequence,
    )


def _rule(db: Session, who: Actor, row: HistoryRow, *, now: datetime) -> Remembered | None:
    """The state of a rule; that it went is told to who may know what it was."""
    said = row.value
    if said is None:
        before = history.states(db, "rule", row.key, before=row.from_sequence, limit=1)
        said = next((one.value for one in before), None)
    rule = from_json(Rule, said or "")
    parts = rulebook.shown(db, who, [rule], now=now)
    if not parts:
        return None
    return Remembered(
        value=None if row.value is None else plain(parts[0]),
        since=row.from_at,
        until=row.to_at,
        by=row.by,
        reason=row.reason if parts[0] == rule else "",
        revision=row.from_sequence,
    )


def _sequence(after: str) -> int | None:
    if after and not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise InvalidInput(
            f"{after!r} is not where a list goes on", hint="give what the last answer calls next"
        )
    return int(after) if after else None
