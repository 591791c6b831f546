"""What requests and grants were asked for, as one actor may know it: what is hidden is not named."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import features, visibility
from provender.core import derivation
from provender.core.errors import NotFound
from provender.core.lineage import Node, NodeKind
from provender.core.people import Actor
from provender.core.policy import Grant
from provender.core.requests import AccessRequest

NOTHING = Node(NodeKind.DATASET, "")
"""What a request is about for whoever may know nothing any more of what they asked for."""


def requests(
    db: Session, who: Actor, asked: Iterable[AccessRequest], *, now: datetime
) -> list[AccessRequest]:
    """Return requests with the parts whose datasets ``who`` may discover.

    One about something hidden is about the first of these datasets.
    """
    every = list(asked)
    names = {name for one in every for name in one.datasets}
    known = visibility.shown(db, who, names, now=now) if names else frozenset()
    seen = _seen(db, who, {one.about for one in every}, now=now)
    return [_part(one, known, seen) for one in every]


def request(db: Session, who: Actor, asked: AccessRequest, *, now: datetime) -> AccessRequest:
    """Return a request as `requests` does."""
    return requests(db, who, [asked], now=now)[0]


def grants(db: Session, who: Actor, given: Iterable[Grant], *, now: datetime) -> list[Grant]:
    """Return grants that name what they were asked for where ``who`` may know that."""
    every = list(given)
    named = {one.asked_for: Node.parse(one.asked_for) for one in every if one.asked_for}
    seen = _seen(db, who, set(named.values()), now=now)
    return [
        replace(one, asked_for="") if one.asked_for and named[one.asked_for] not in seen else one
        for one in every
    ]


def grant(db: Session, who: Actor, given: Grant, *, now: datetime) -> Grant:
    """Return a grant as `grants` does."""
    return grants(db, who, [given], now=now)[0]


def _part(asked: AccessRequest, known: Collection[str], seen: Collection[Node]) -> AccessRequest:
    parts = tuple(part for part in asked.parts if part.dataset in known)
    instead = Node(NodeKind.DATASET, parts[0].dataset) if parts else NOTHING
    return replace(
        asked,
        about=asked.about if asked.about in seen else instead,
        parts=parts,
        approvals=tuple(
            replace(one, datasets=tuple(name for name in one.datasets if name in known))
            for one in asked.approvals
        ),
    )


def _seen(db: Session, who: Actor, nodes: Iterable[Node], *, now: datetime) -> set[Node]:
    """Those of ``nodes``, datasets and definitions, that ``who`` may know of."""
    datasets = {one for one in nodes if one.kind is NodeKind.DATASET}
    names = {one.name for one in datasets}
    shown = visibility.shown(db, who, names, now=now) if names else frozenset()
    seen = {one for one in datasets if one.name in shown}
    defined: dict[str, list[Node]] = {}
    for one in nodes:
        if one not in datasets:
            defined.setdefault(one.name.partition("/")[0], []).append(one)
    for project, those in defined.items():
        try:
            repo = features.repo(db, who, project, now=now)
        except NotFound:
            continue
        seen.update(one for one in those if derivation.columns(repo, one))
    return seen
