"""The rules as one actor may know them: who governs knows all, others as far as datasets are theirs.

A rule names datasets, and so would tell of what is hidden. To who does not govern it names what
fits a dataset that they may discover, and is not there at all if nothing does.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Select, literal_column, select, union_all
from sqlalchemy.orm import Session

from provender.catalog import access
from provender.catalog.patterns import SPECIAL, fits
from provender.catalog.rows import DatasetRow
from provender.core.people import Actor
from provender.core.policy import EVERY, Action, Rule

ASKED_AT_ONCE = 100
"""Patterns in one statement, of which SQLite takes 500."""


def shown(db: Session, who: Actor, rules: Iterable[Rule], *, now: datetime) -> tuple[Rule, ...]:
    """Return ``rules`` as far as ``who`` may know them: without names of what is hidden.

    The words of a rule that names something hidden, too, are left out with it.
    """
    every = tuple(rules)
    if access.governs(db, who, now=now):
        return every
    open_to = _open(db, who, {name for rule in every for name in rule.datasets}, now=now)
    return tuple(part for rule in every if (part := _part(rule, open_to)) is not None)


def literal(patterns: Iterable[str]) -> list[str]:
    """Return those of ``patterns`` of datasets that are the name of one."""
    return [pattern for pattern in patterns if SPECIAL.isdisjoint(pattern)]


def _part(rule: Rule, open_to: set[str]) -> Rule | None:
    left = tuple(name for name in rule.datasets if name in open_to)
    if left == rule.datasets:
        return rule
    return replace(rule, datasets=left, description="") if left else None


def _open(db: Session, who: Actor, patterns: set[str], *, now: datetime) -> set[str]:
    """Those of ``patterns`` that fit a dataset which ``who`` may discover; every dataset's does."""
    visible = access.visible(db, who, Action.DISCOVER, now=now)
    names = set(literal(patterns))
    found = set(db.scalars(visible.where(DatasetRow.name.in_(sorted(names)))))
    others = sorted(patterns - names - {EVERY})
    for start in range(0, len(others), ASKED_AT_ONCE):
        portion = others[start : start + ASKED_AT_ONCE]
        asked: list[Select[int]] = [
            select(literal_column(str(at))).where(visible.where(fits(pattern)).exists())
            for at, pattern in enumerate(portion)
        ]
        found |= {portion[at] for at in db.scalars(union_all(*asked))}
    return found | {EVERY}
