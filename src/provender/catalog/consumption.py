"""Who reads which version of a dataset: what a recall has to tell.

Written with what is written anyway: a permit that lets rows out, a training set, definitions,
the end of a materialisation. Who read a version is for those to know who steward its dataset;
what was made from it shows as far as it may be discovered.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from provender.catalog import access, indexing, naming, nodes
from provender.catalog.changes import Change
from provender.catalog.findable import COUNTS
from provender.catalog.graph import Sight
from provender.catalog.rows import ConsumptionRow, DatasetRow
from provender.core.datasets import Listed
from provender.core.errors import InvalidInput
from provender.core.features import RepoSpec
from provender.core.lineage import Consumer, Node, NodeKind, dataset_node
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef

NOT_TOLD = 0
"""The number of a version that nobody named."""
ACTOR = "actor"
"""The kind of consumer that is somebody, not something."""
AT_ONCE = 200
KEY = (ConsumptionRow.consumer_kind, ConsumptionRow.consumer, ConsumptionRow.number)


class Use(NamedTuple):
    """``by``, a consumer of that ``kind``, reads what ``ref`` names."""

    ref: DatasetRef
    kind: str
    by: str


def keep(db: Session, change: Change, uses: Iterable[Use]) -> None:
    """Write down who reads what, all at once; of datasets that there never were, nothing."""
    wanted = sorted(set(uses), key=lambda use: (use.kind, use.by, str(use.ref)))
    known = naming.known_numbers(db, {use.ref.dataset for use in wanted})
    rows = [
        {
            "dataset": known[use.ref.dataset],
            "number": use.ref.version or NOT_TOLD,
            "consumer_kind": use.kind,
            "consumer": use.by,
            "first_at": change.at,
            "last_at": change.at,
            "times": 1,
        }
        for use in wanted
        if use.ref.dataset in known
    ]
    if not rows:
        return
    dialect = postgresql if db.get_bind().dialect.name == "postgresql" else sqlite
    new = dialect.insert(ConsumptionRow.__table__)
    again = {"last_at": new.excluded.last_at, "times": ConsumptionRow.times + 1}
    key = ["dataset", "number", "consumer_kind", "consumer"]
    written = new.on_conflict_do_update(index_elements=key, set_=again)
    told = written.returning(ConsumptionRow.dataset, ConsumptionRow.times)
    _rank(db, {dataset for dataset, times in db.connection().execute(told, rows) if times == 1})


def _rank(db: Session, datasets: Collection[int]) -> None:
    """Let search know how many consume each of ``datasets`` now."""
    named = select(DatasetRow.id, DatasetRow.name).where(DatasetRow.id.in_(sorted(datasets)))
    for number, name in db.execute(named.order_by(DatasetRow.id)).all() if datasets else ():
        node = dataset_node(DatasetRef.parse(name))
        indexing.touch(db, node, used=_consumers_of(db, number))


def _consumers_of(db: Session, dataset: int) -> int:
    kinds = select(ConsumptionRow.consumer_kind, ConsumptionRow.consumer)
    others = kinds.where(ConsumptionRow.dataset == dataset, COUNTS).distinct().subquery()
    return db.scalar(select(func.count()).select_from(others)) or 0


def keep_reading(
    db: Session,
    change: Change,
    who: Actor,
    columns: Iterable[ColumnRef],
    versions: Iterable[DatasetRef],
) -> None:
    """Write down that ``who`` reads columns, of ``versions`` where they were told.

    Of versions of a dataset none of whose columns they read, nothing is written.
    """
    asked = {column.dataset for column in columns}
    told = _of(db, set(versions), asked)
    names = asked - {ref.dataset for ref in told}
    refs = told | {DatasetRef.parse(name) for name in names}
    keep(db, change, [Use(ref, ACTOR, who.id) for ref in refs])


def _of(db: Session, versions: set[DatasetRef], names: Collection[str]) -> set[DatasetRef]:
    """Those of ``versions`` whose datasets are called one of ``names``, or were once."""
    if all(ref.dataset in names for ref in versions):
        return versions
    numbers = naming.known_numbers(db, {*names, *(ref.dataset for ref in versions)})
    known = {numbers[name] for name in names if name in numbers}
    return {ref for ref in versions if numbers.get(ref.dataset) in known}


def keep_filling(db: Session, change: Change, ref: DatasetRef, view: str) -> None:
    """Write down that the view ``project/name`` was filled from a version."""
    keep(db, change, [Use(ref, NodeKind.VIEW.value, view)])


def keep_definitions(
    db: Session, change: Change, repo: RepoSpec, sources: dict[Node, set[str]]
) -> None:
    """Write down what the views and services of a project read, in place of what they did.

    A view that was materialised from a version stays known to have read it.
    """
    kinds = (NodeKind.VIEW.value, NodeKind.ON_DEMAND.value, NodeKind.SERVICE.value)
    begins = f"{repo.project}/"
    declared = and_(
        ConsumptionRow.consumer_kind.in_(kinds),
        ConsumptionRow.consumer.startswith(begins, autoescape=True),
        ConsumptionRow.number == NOT_TOLD,
    )
    uses = [
        Use(ref, node.kind.value, node.name)
        for node, datasets in sources.items()
        if node.kind.value in kinds
        for ref in map(DatasetRef.parse, sorted(datasets))
    ]
    numbers = naming.known_numbers(db, {use.ref.dataset for use in uses})
    said = {(numbers.get(use.ref.dataset), use.kind, use.by) for use in uses}
    key = (ConsumptionRow.dataset, ConsumptionRow.consumer_kind, ConsumptionRow.consumer)
    there = {(dataset, kind, by) for dataset, kind, by in db.execute(select(*key).where(declared))}
    for dataset, kind, by in sorted(there - said):
        same = [column == part for column, part in zip(key, (dataset, kind, by), strict=True)]
        db.execute(delete(ConsumptionRow).where(declared, *same))
    _rank(db, {dataset for dataset, _, _ in there - said})
    # the same again is nothing new: that definitions were applied is no reading
    keep(db, change, [u for u in uses if (numbers.get(u.ref.dataset), u.kind, u.by) not in there])


def consumers(
    db: Session, who: Actor, ref: DatasetRef, *, limit: int, after: str, now: datetime
) -> Listed[Consumer]:
    """Return who reads a dataset, by kind and name.

    Of one version: who was told to read it, and who may have, because it was not told which.

    Raises:
        NotFound: there is no such dataset for ``who``.
    """
    row = access.discovered(db, who, ref.dataset, now=now)
    found: list[ConsumptionRow] = []
    for one in _shown(db, who, row, ref.version, after, now=now):
        if len(found) == limit:
            return Listed(tuple(map(_consumer, found)), _place(found[-1]))
        found.append(one)
    return Listed(tuple(map(_consumer, found)))


def _shown(
    db: Session, who: Actor, row: DatasetRow, version: int | None, after: str, *, now: datetime
) -> Iterator[ConsumptionRow]:
    wanted = select(ConsumptionRow).where(ConsumptionRow.dataset == row.id)
    if version is not None:
        wanted = wanted.where(ConsumptionRow.number.in_((NOT_TOLD, version)))
    if not _stewards(db, who, row.name, now=now):
        wanted = wanted.where(~_somebody_else(who))
    sight = Sight(db, who, now=now)
    place = _parsed(after) if after else None
    while True:
        beyond = wanted if place is None else wanted.where(tuple_(*KEY) > place)
        rows = db.scalars(beyond.order_by(*KEY).limit(AT_ONCE)).all()
        things = {_node(row): row for row in rows if row.consumer_kind != ACTOR}
        numbers = nodes.known(db, things)
        seen = sight.of(list(numbers.values()))
        yield from (
            row for row in rows if row.consumer_kind == ACTOR or numbers.get(_node(row)) in seen
        )
        if len(rows) < AT_ONCE:
            return
        place = (rows[-1].consumer_kind, rows[-1].consumer, rows[-1].number)


def _somebody_else(who: Actor) -> ColumnElement[bool]:
    return and_(ConsumptionRow.consumer_kind == ACTOR, ConsumptionRow.consumer != who.id)


def _stewards(db: Session, who: Actor, dataset: str, *, now: datetime) -> bool:
    asked = ((Action.STEWARD, ColumnRef(dataset)), (Action.GOVERN, access.EVERYTHING))
    return any(
        access.explain(db, who, action, [column], purpose="", now=now).allowed
        for action, column in asked
    )


def _node(row: ConsumptionRow) -> Node:
    return Node(NodeKind(row.consumer_kind), row.consumer)


def _consumer(row: ConsumptionRow) -> Consumer:
    return Consumer(
        kind=row.consumer_kind,
        name=row.consumer,
        version=row.number or None,
        first_at=row.first_at,
        last_at=row.last_at,
        times=row.times,
    )


def _place(row: ConsumptionRow) -> str:
    return f"{row.consumer_kind}/{row.number}/{row.consumer}"


def _parsed(after: str) -> tuple[str, str, int]:
    kind, _, rest = after.partition("/")
    number, _, consumer = rest.partition("/")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise InvalidInput(
            f"{after!r} is not where a list goes on", hint="give what the last answer calls next"
        )
    return kind, consumer, int(number)
