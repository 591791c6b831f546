"""The domains as one actor may know them: a name, and who owns it, would tell what is hidden there."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from provender.catalog import access
from provender.catalog.rows import DatasetRow, DomainRow
from provender.core.governance import Domain
from provender.core.people import Actor
from provender.core.policy import Action


def shown(
    db: Session, who: Actor, domains: Iterable[Domain], *, now: datetime
) -> tuple[Domain, ...]:
    """Return those of ``domains`` that ``who`` may know of: one that is hidden is as none."""
    every = tuple(domains)
    open_to = known(db, who, now=now)
    return every if open_to is None else tuple(one for one in every if one.name in open_to)


def known(db: Session, who: Actor, *, now: datetime) -> frozenset[str] | None:
    """Return the names of domains that ``who`` owns, or may discover a dataset of; None: of all.

    Whoever is known by a token for some datasets owns no others by it.
    """
    if access.governs(db, who, now=now):
        return None
    visible = access.is_visible(db, who, Action.DISCOVER, now=now)
    of_it = exists().where(DatasetRow.domain == DomainRow.name, visible).correlate(DomainRow)
    found = set(db.scalars(select(DomainRow.name).where(of_it)))
    if who.limits.of_every_dataset:
        there = db.scalars(select(DomainRow.value))
        found.update(one.name for one in there if one.owner in who.names)
    return frozenset(found)
