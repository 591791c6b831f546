"""Why a column has a tag: the way back to the column that it was put on, in sight of who asks.

A tag counts whoever asks. Where it came from is told only if all of the way may be discovered.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import epoch, queries
from provender.catalog.graph import Sight
from provender.catalog.nodes import portions
from provender.core.datasets import Dataset
from provender.core.people import Actor
from provender.core.policy import EVERY, ColumnRef, Decision
from provender.core.tags import Assignment
from provender.core.travel import UNTOLD, Place, Whence

OF_COLUMNS = (
    "SELECT nodes.name, nodes.column_name, carried.node, carried.tag FROM nodes"
    " JOIN carried ON carried.node = nodes.id WHERE nodes.kind = 'dataset'"
    " AND nodes.name IN ({}) AND nodes.column_name IN ({}) AND carried.distance > 0"
)
BACK = "SELECT node, tag, distance, via FROM carried WHERE node IN ({})"
OfColumns = Mapping[ColumnRef, Mapping[str, int]]
"""By column of a dataset: the tags that came to it, and the number of its node."""


def of_columns(db: Session, columns: Collection[ColumnRef]) -> OfColumns:
    """Return the tags that came to ``columns`` of datasets, by the names that these have now."""
    found: dict[ColumnRef, dict[str, int]] = defaultdict(dict)
    for portion in portions([column for column in columns if column.column != EVERY]):
        names, called = {one.dataset for one in portion}, {one.column for one in portion}
        for name, column, node, tag in queries.rows(db, OF_COLUMNS, names, called):
            found[ColumnRef(name, column)][tag] = node
    return {column: found[column] for column in columns if column in found}


def carrying(datasets: Mapping[str, Dataset], carried: OfColumns) -> dict[str, Dataset]:
    """Return ``datasets`` with the tags that came to their columns besides those put there."""
    came: dict[str, dict[str, Collection[str]]] = defaultdict(dict)
    for column, tags in carried.items():
        came[column.dataset][column.column] = tags
    return {name: dataset.carrying(came.get(name, {})) for name, dataset in datasets.items()}


def explained(
    db: Session, decision: Decision, carried: OfColumns, told: Actor, *, now: datetime
) -> Decision:
    """Return the decision that says of each tag which closes a column, and came there, from where.

    As far as ``told`` may know.
    """
    protected = epoch.policy(db).protected
    places = {
        reason.column: [(n, t) for t, n in came.items() if Assignment.parse(t).tag in protected]
        for reason in decision.reasons
        if not reason.allowed and (came := carried.get(reason.column))
    }
    every = [place for found in places.values() for place in found]
    if not every:
        return decision
    whences = of_places(db, Sight(db, told, now=now), every)
    reasons = tuple(
        replace(reason, because="; ".join([reason.because, *_said(whences, found)]))
        if (found := places.get(reason.column))
        else reason
        for reason in decision.reasons
    )
    return replace(decision, reasons=reasons)


def of_places(db: Session, sight: Sight, places: Collection[Place]) -> dict[Place, Whence | None]:
    """Return where each carried tag came from; None where not all of the way is in sight."""
    ways = _ways(db, places)
    columns = {column for way in ways.values() for column in way}
    seen, named = sight.of(columns), sight.parts(columns)
    return {
        place: Whence(*named[way[0]], tuple(named[column][0] for column in way[1:-1]))
        if seen.issuperset(way)
        else None
        for place, way in ways.items()
    }


def _said(whences: Mapping[Place, Whence | None], places: Collection[Place]) -> list[str]:
    return [f"{place[1]} is carried from {whences[place] or UNTOLD}" for place in places]


def _ways(db: Session, places: Collection[Place]) -> dict[Place, list[int]]:
    """The columns over which each tag came, the source first and the column itself last."""
    ways: dict[Place, list[int]] = {place: [place[0]] for place in places}
    ahead = set(places)
    while ahead:
        back: dict[Place, int] = {}
        for portion in portions({ways[place][0] for place in ahead}):
            rows = queries.rows(db, BACK, portion)
            back |= {(node, tag): via for node, tag, distance, via in rows if distance}
        for place in sorted(ahead):
            way = ways[place]
            via = back.get((way[0], place[1]))
            if via is None or via in way:
                ahead.discard(place)
            else:
                way.insert(0, via)
    return ways
