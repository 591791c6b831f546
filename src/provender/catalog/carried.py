"""The tags that columns carry, kept beside the lineage: `core.travel` decides, rows remember.

Whoever changes tags, edges between columns or definitions lets what follows be so in the same
transaction. A column of a dataset has the tags put on it and on its dataset; one of a definition
those that the definition puts there.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from provender.catalog import epoch, nodes, queries
from provender.catalog.nodes import OF_KIND, WHOLE, portions
from provender.catalog.rows import (
    CarriedRow,
    CounterRow,
    NodeRow,
    RepoRow,
    TagRow,
)
from provender.core import derivation, travel
from provender.core.features import RepoSpec
from provender.core.lineage import Node
from provender.core.tags import Assignment, Taxonomy, Way
from provender.core.travel import Carried, Place, Step, Tags

STALE = "carried_stale"
"""The counter that is 1 while all has to be made anew."""
PUT = "SELECT id, kind, name, column_name, dataset FROM nodes WHERE id IN ({})"
ASSIGNED = (
    "SELECT dataset, column_name, tag, value FROM assignments"
    " WHERE dataset IN ({}) AND column_name IN ({})"
)
HAD = "SELECT node, tag, distance, via FROM carried WHERE node IN ({})"
HAD_OVER = "SELECT node, tag, distance, via FROM carried WHERE via IN ({}) AND distance > 0"
INTO = "SELECT upstream, downstream, way FROM edges WHERE downstream IN ({})"
OUT_OF = "SELECT upstream, downstream, way FROM edges WHERE upstream IN ({})"
WAYS = (None, *Way)


class Columns:
    """`core.travel.Graph` over a session; ``repo`` are definitions that are about to be recorded."""

    def __init__(self, db: Session, repo: RepoSpec | None = None) -> None:
        self._db = db
        self._put = {repo.project: derivation.put_tags(repo)} if repo else {}
        self._had: dict[int, dict[str, Carried]] = {}

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """All tags there are."""
        return Taxonomy(tuple(self._db.scalars(select(TagRow.value))))

    @cached_property
    def _staying(self) -> frozenset[str]:
        return frozenset(tag.name for tag in self.taxonomy.tags if not tag.travels)

    def put(self, columns: Collection[int]) -> Mapping[int, Collection[str]]:
        """Return the tags that were put on each of ``columns`` itself and may travel."""
        of_datasets: dict[int, tuple[int, str]] = {}
        found: dict[int, Collection[str]] = {}
        for number, kind, name, column, dataset in self._rows(PUT, columns):
            if column != WHOLE and dataset is not None:
                of_datasets[number] = dataset, column
            elif column != WHOLE:
                found[number] = self._said(Node(OF_KIND[kind], name)).get(column, ())
        assigned = self._assigned(set(of_datasets.values()))
        for number, (dataset, column) in of_datasets.items():
            found[number] = {*assigned[dataset, WHOLE], *assigned[dataset, column]}
        return {n: left for n, tags in found.items() if (left := self._travelling(tags))}

    def had(self, columns: Collection[int]) -> Tags:
        """Return which tags each of ``columns`` had, and how."""
        new = [column for column in columns if column not in self._had]
        self._had |= {column: {} for column in new} | _tags(self._rows(HAD, new))
        return {column: self._had[column] for column in columns}

    def had_over(self, columns: Collection[int]) -> Tags:
        """Return the tags that others had over one of ``columns``."""
        return _tags(self._rows(HAD_OVER, columns))

    def into(self, columns: Collection[int]) -> Sequence[Step]:
        """Return the edges to ``columns``."""
        return [Step(up, down, WAYS[way]) for up, down, way in self._rows(INTO, columns)]

    def out_of(self, columns: Collection[int]) -> Sequence[Step]:
        """Return the edges from ``columns``."""
        return [Step(up, down, WAYS[way]) for up, down, way in self._rows(OUT_OF, columns)]

    def _rows(self, question: str, columns: Collection[int]) -> list[Any]:
        every = portions(columns)
        return [row for portion in every for row in queries.rows(self._db, question, portion)]

    def _travelling(self, tags: Collection[str]) -> frozenset[str]:
        return frozenset(tag for tag in tags if Assignment.parse(tag).tag not in self._staying)

    def _assigned(self, columns: Collection[tuple[int, str]]) -> Mapping[tuple[int, str], set[str]]:
        found: dict[tuple[int, str], set[str]] = defaultdict(set)
        for portion in portions(columns):
            datasets = {dataset for dataset, _ in portion}
            named = {WHOLE, *(column for _, column in portion)}
            rows = queries.rows(self._db, ASSIGNED, datasets, named)
            for dataset, column, tag, value in rows:
                found[dataset, column].add(str(Assignment(tag, value)))
        return found

    def _said(self, node: Node) -> Mapping[str, Collection[str]]:
        """The tags that a definition puts on its columns."""
        project, _, rest = node.name.partition("/")
        if not rest:
            return {}
        if project not in self._put:
            of_project = select(RepoRow.value).where(RepoRow.project == project)
            last = self._db.scalars(of_project.order_by(RepoRow.number.desc()).limit(1)).first()
            self._put[project] = derivation.put_tags(last) if last else {}
        return {column: tags for (of, column), tags in self._put[project].items() if of == node}


def settle(db: Session, touched: Collection[int], *, repo: RepoSpec | None = None) -> None:
    """Let columns carry what they carry, after tags of ``touched`` changed, or edges to them.

    ``repo`` are the definitions of its project from now on, where they are yet to be recorded.
    """
    if not touched:
        return
    db.flush()
    columns = Columns(db, repo)
    new = travel.changes(columns, touched, travel.stops(columns.taxonomy))
    if new:
        _write(db, new)
        epoch.bump(db)


def of_datasets(db: Session, datasets: Collection[int]) -> None:
    """Let tags travel from and over datasets, of which other tags are said than before."""
    touched: list[int] = []
    for portion in portions(datasets):
        of_them = select(NodeRow.id).where(NodeRow.dataset.in_(portion))
        touched += db.scalars(of_them.where(NodeRow.column_name != WHOLE))
    settle(db, touched)


def of_definitions(
    db: Session, before: RepoSpec | None, repo: RepoSpec, touched: Collection[int]
) -> None:
    """Let tags travel over the definitions of a project, which other edges lead to, ``touched``."""
    was, now = (derivation.put_tags(one) if one else {} for one in (before, repo))
    parts = nodes.ensured_parts(db, (p for p in {**was, **now} if was.get(p) != now.get(p)))
    settle(db, {*touched, *parts.values()}, repo=repo)


def of_taxonomy(db: Session) -> None:
    """Let tags travel as the taxonomy says now; only ways and journeys that it changed matter."""
    settle(db, _every(db))


def remake(db: Session) -> None:
    """Make all anew, from the tags, edges and definitions that there are."""
    db.execute(delete(CarriedRow))
    settle(db, _every(db))
    db.execute(update(CounterRow).where(CounterRow.name == STALE).values(value=0))


def check(db: Session) -> Iterator[tuple[str, str]]:
    """Yield which columns do not carry what they would if it was found anew, and what is wrong."""
    columns = Anew(db)
    wanted = travel.changes(columns, _every(db), travel.stops(columns.taxonomy))
    rows = db.execute(select(CarriedRow.node, CarriedRow.tag, CarriedRow.distance, CarriedRow.via))
    found = {(node, tag): Carried(distance, over) for node, tag, distance, over in rows}
    wrong = sorted(p for p in {**wanted, **found} if wanted.get(p) != found.get(p))
    called = nodes.named(db, {column for column, _ in wrong})
    for place in wrong:
        node, column = called.get(place[0], ("node", place[0]))
        yield (
            f"{node} {column}",
            f"its tag {place[1]} {_differs(found.get(place), wanted.get(place))}",
        )


class Anew(Columns):
    """Columns that carry nothing yet."""

    def had(self, columns: Collection[int]) -> Tags:
        """Return nothing."""
        return {}

    def had_over(self, columns: Collection[int]) -> Tags:
        """Return nothing."""
        return {}


def _differs(found: Carried | None, wanted: Carried | None) -> str:
    if wanted is None:
        return "leads to no column that it was put on"
    if found is None:
        return "is not kept"
    return f"is kept as {found.distance} steps away over {found.over}, not {wanted.distance} over {wanted.over}"


def _every(db: Session) -> list[int]:
    return list(db.scalars(select(NodeRow.id).where(NodeRow.column_name != WHOLE)))


def _tags(rows: Sequence[Any]) -> dict[int, dict[str, Carried]]:
    found: dict[int, dict[str, Carried]] = {}
    for column, tag, distance, over in rows:
        found.setdefault(column, {})[tag] = Carried(distance, over)
    return found


def _write(db: Session, new: Mapping[Place, Carried | None]) -> None:
    by_tag: dict[str, list[int]] = defaultdict(list)
    for column, tag in new:
        by_tag[tag].append(column)
    for tag, columns in by_tag.items():
        for portion in portions(columns):
            gone = (CarriedRow.tag == tag, CarriedRow.node.in_(portion))
            db.execute(delete(CarriedRow).where(*gone))
    rows = [
        {"node": column, "tag": tag, "distance": how.distance, "via": how.over}
        for (column, tag), how in new.items()
        if how is not None
    ]
    if rows:
        db.execute(insert(CarriedRow), rows)
