"""What follows from facts: the latest version, offices and tags, the graph, counters, the index.

Each check yields what it is about and what is wrong with it; each ``repair_…`` writes what
follows anew, from what it follows from.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import and_, case, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from provender.catalog import carried, facets, reindexing, scopes, vocabulary
from provender.catalog.changes import Change
from provender.catalog.rows import (
    AssignmentRow,
    BreakGlassRow,
    ContractRow,
    CounterRow,
    DatasetRow,
    DatasetTermRow,
    EdgeRow,
    FacetValueRow,
    FactRow,
    HistoryRow,
    HoldRow,
    NodeRow,
    OwnerRow,
    PastDocumentRow,
    RequestRow,
    RestsOnRow,
    ScopeRow,
    SearchDocumentRow,
    SearchWordRow,
    VersionRow,
)
from provender.core.datasets import Dataset
from provender.core.lifecycle import READABLE

Wrong = Iterator[tuple[str, str]]
Part = tuple[str, ...]
COUNTED: dict[str, Any] = {
    "dataset": DatasetRow.id,
    "node": NodeRow.id,
    "fact": FactRow.id,
    "history": HistoryRow.id,
    "hold": HoldRow.id,
    "contracts": ContractRow.id,
    "request": RequestRow.number,
    "break_glass": BreakGlassRow.number,
    "document": SearchDocumentRow.id,
    "past_document": PastDocumentRow.id,
    facets.COUNTER: FacetValueRow.id,
    scopes.COUNTER: ScopeRow.id,
    vocabulary.COUNTER: SearchWordRow.id,
}
"""Counters, and the ids that they give out."""
SAID: dict[str, tuple[Any, tuple[Any, ...], Callable[[Dataset], set[Part]]]] = {
    "offices": (
        OwnerRow,
        (OwnerRow.actor, OwnerRow.role),
        lambda said: {(owner.id, owner.role.value) for owner in said.owners},
    ),
    "tags": (
        AssignmentRow,
        (AssignmentRow.column_name, AssignmentRow.tag, AssignmentRow.value),
        lambda said: {(put.column, put.tag, put.value) for put in said.assignments},
    ),
    "terms": (
        DatasetTermRow,
        (DatasetTermRow.column_name, DatasetTermRow.term),
        lambda said: {("", term) for term in said.terms},
    ),
}
"""Tables that hold a part of what is said of a dataset, so that queries find it."""


def latest(db: Session) -> Wrong:
    """A dataset's latest version is the newest that readers may get."""
    for name, said, found in db.execute(_latest()):
        if said != found:
            yield name, f"has the latest version {said}, its versions say {found}"


def repair_latest(db: Session, change: Change) -> None:
    newest = (
        select(_newest())
        .where(VersionRow.dataset == DatasetRow.id, VersionRow.state.in_(READABLE))
        .scalar_subquery()
    )
    db.execute(update(DatasetRow).values(latest=newest))


def _latest() -> Any:
    newest = _newest()
    of_dataset = and_(VersionRow.dataset == DatasetRow.id, VersionRow.state.in_(READABLE))
    return (
        select(DatasetRow.name, DatasetRow.latest, newest)
        .join(VersionRow, of_dataset, isouter=True)
        .group_by(DatasetRow.id, DatasetRow.name, DatasetRow.latest)
    )


def _newest() -> Any:
    """The newest of versions for readers: as `standings.newest`, of whose data is there if any is."""
    there = case((VersionRow.data_gone_at.is_(None), VersionRow.number))
    return func.coalesce(func.max(there), func.max(VersionRow.number))


def said_of_datasets(db: Session) -> Wrong:
    """Offices, tags and terms beside a dataset are those that it says."""
    for what, (_, name, missing, stray) in _differences(db):
        for part in sorted(missing):
            yield name, f"its {what} lack {' '.join(filter(None, part))}"
        for part in sorted(stray):
            yield name, f"its {what} have {' '.join(filter(None, part))}, which it does not say"


def repair_said_of_datasets(db: Session, change: Change) -> None:
    for what, (number, _, missing, stray) in list(_differences(db)):
        kind, columns, _ = SAID[what]
        names = [column.key for column in columns]
        for part in stray:
            same = [column == value for column, value in zip(columns, part, strict=True)]
            db.execute(delete(kind).where(kind.dataset == number, *same))
        more = {"by": change.actor, "at": change.at} if kind is AssignmentRow else {}
        rows = [{"dataset": number, **dict(zip(names, p, strict=True)), **more} for p in missing]
        if rows:
            db.execute(insert(kind), rows)


def _differences(db: Session) -> Iterator[tuple[str, tuple[int, str, set[Part], set[Part]]]]:
    """By what is said: number and name of a dataset, what its rows lack, and have too much."""
    there = select(DatasetRow.id, DatasetRow.name, DatasetRow.value, DatasetRow.withdrawn_at)
    datasets = db.execute(there).all()
    for what, (kind, columns, wanted) in SAID.items():
        found: dict[int, set[Part]] = {}
        for number, *part in db.execute(select(kind.dataset, *columns)):
            found.setdefault(number, set()).add(tuple(part))
        for number, name, said, withdrawn_at in datasets:
            wanted_of = wanted(said) if withdrawn_at is None else set()
            have = found.get(number, set())
            if wanted_of != have:
                yield what, (number, name, wanted_of - have, have - wanted_of)


def graph(db: Session) -> Wrong:
    """Edges join nodes that are there, by a fact that is; nodes rest on datasets that are."""
    for what, kind, lost in _lost():
        for row in db.execute(select(*kind.__table__.primary_key.columns).where(lost)):
            yield f"{what} {' '.join(map(str, row))}", "has an end that is not there"
    wrong = select(NodeRow.kind, NodeRow.name).where(
        NodeRow.dataset.is_not(None), NodeRow.dataset.not_in(select(DatasetRow.id))
    )
    for kind, name in db.execute(wrong):
        yield f"{kind}:{name}", "is of a dataset that is not there"


def repair_graph(db: Session, change: Change) -> None:
    for _, kind, lost in _lost():
        db.execute(delete(kind).where(lost))


def _lost() -> Iterator[tuple[str, Any, Any]]:
    nodes, facts = select(NodeRow.id), select(FactRow.id)
    yield (
        "edge",
        EdgeRow,
        or_(
            EdgeRow.upstream.not_in(nodes),
            EdgeRow.downstream.not_in(nodes),
            EdgeRow.fact.not_in(facts),
        ),
    )
    ends = or_(RestsOnRow.node.not_in(nodes), RestsOnRow.dataset.not_in(select(DatasetRow.id)))
    yield "rest", RestsOnRow, ends


def carried_tags(db: Session) -> Wrong:
    """Columns carry the tags that travel to them, and no others."""
    yield from carried.check(db)


def repair_carried_tags(db: Session, change: Change) -> None:
    carried.remake(db)


def counters(db: Session) -> Wrong:
    """No counter will give out a number that is taken."""
    for name, last, highest in _counted(db):
        if last < highest:
            yield f"counter {name}", f"stands at {last}, and {highest} was given out"


def repair_counters(db: Session, change: Change) -> None:
    for name, last, highest in list(_counted(db)):
        if last < highest:
            db.merge(CounterRow(name=name, value=highest))


def _counted(db: Session) -> Iterator[tuple[str, int, int]]:
    said = {name: value for name, value in db.execute(select(CounterRow.name, CounterRow.value))}  # noqa: C416 - typed
    for name, column in COUNTED.items():
        yield name, said.get(name, 0), db.scalar(select(func.max(column))) or 0


def index(db: Session) -> Wrong:
    """What can be found is what is there."""
    yield from reindexing.check(db)


def repair_index(db: Session, change: Change) -> None:
    reindexing.rebuild(db, change)
