"""Lineage: edges written by the facts that say so, read back as a neighbourhood of a node.

A dataset without a version (``domain.name``) is made from its latest version, so that what
reads the dataset hangs on whatever is latest; older versions keep what was made from them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, exists, insert, or_, select
from sqlalchemy.orm import Session

from provender.catalog import access, naming
from provender.catalog.access import visible, visible_node, visible_numbers
from provender.catalog.nodes import (
    PORTION,
    dataset_node,
    defined_node,
    ensured,
    known,
    named,
    rest_on,
)
from provender.catalog.rows import (
    DatasetRow,
    DocumentRow,
    EdgeRow,
    FactRow,
    NodeRow,
    RestsOnRow,
    VersionRow,
)
from provender.core.datasets import DatasetVersion
from provender.core.features import RepoSpec, view_names
from provender.core.lineage import Edge, How, Node, NodeKind
from provender.core.names import DatasetRef, unknown
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.training import TrainingSetManifest

MOST_EDGES = 2000
"""A neighbourhood stops growing here; more cannot be looked at anyway."""


def neighbourhood(db: Session, who: Actor, node: Node, *, depth: int, now: datetime) -> list[Edge]:
    """Return the edges within ``depth`` steps up and down from ``node`` that ``who`` may discover.

    Downstream of a dataset without a version is what was made from any of its versions.

    Raises:
        NotFound: there is no such node for ``who``.
    """
    _check_known(db, who, node, now=now)
    own = list(known(db, [node]).values())
    found = _walk(db, who, [*own, *_versions_of(db, node)], depth, now=now, down=True)
    found |= _walk(db, who, own, depth, now=now, down=False)
    nodes = named(db, {number for edge in found for number in edge})
    return sorted(Edge(nodes[upstream], nodes[downstream]) for upstream, downstream in found)


def record_version(db: Session, version: DatasetVersion, *, latest: bool = True) -> None:
    """Write down what a new version was computed from, and that it is the ``latest`` now.

    One that a feature service produced is what serving saw of it.
    """
    made, dataset = dataset_node(version.ref), dataset_node(version.ref.at(None))
    inputs = [Edge(dataset_node(ref), made) for ref in version.manifest.inputs]
    if version.manifest.producer.startswith(f"{NodeKind.SERVICE}:"):
        inputs.append(Edge(Node.parse(version.manifest.producer), made))
    _write(db, f"version:{version.ref}", inputs)
    if latest:
        _write(db, f"latest:{version.ref.dataset}", [Edge(made, dataset)])
    rest_on(db, made, [version.ref.dataset])


def record_latest(db: Session, ref: DatasetRef, number: int | None) -> None:
    """Let what reads a dataset hang on its version ``number``, the newest for readers now."""
    dataset = dataset_node(ref.at(None))
    made = [Edge(dataset_node(ref.at(number)), dataset)] if number is not None else []
    _write(db, f"latest:{ref.dataset}", made)


def record_repo(db: Session, repo: RepoSpec) -> None:
    """Write down what the definitions of a project are made from, in place of what was."""
    views = {name: _view_node(repo, name) for name in view_names(repo.views, repo.on_demand)}
    edges: list[Edge] = []
    for view in repo.views:
        if view.dataset is not None:
            edges.append(Edge(dataset_node(view.dataset), views[view.name]))
    for computed in repo.on_demand:
        needed = dict.fromkeys(ref.view for ref in computed.inputs)
        edges += [Edge(views[name], views[computed.name]) for name in needed if name in views]
    for service in repo.services:
        made = defined_node(NodeKind.SERVICE, repo.project, service.name)
        asked = dict.fromkeys(ref.view for ref in service.own_features)
        edges += [Edge(views[name], made) for name in asked if name in views]
    _write(db, f"repo:{repo.project}", edges, How.DECLARED)
    for node, datasets in sources(repo).items():
        rest_on(db, node, datasets)


def record_training_set(db: Session, manifest: TrainingSetManifest) -> None:
    """Write down which dataset versions and which service a training set was made from."""
    made = Node(NodeKind.TRAINING_SET, manifest.id)
    edges = [Edge(dataset_node(pin), made) for pin in manifest.pins]
    if manifest.spec.service:
        service = defined_node(NodeKind.SERVICE, manifest.spec.project, manifest.spec.service)
        edges.append(Edge(service, made))
    _write(db, f"training-set:{manifest.id}", edges)
    rest_on(db, made, [pin.dataset for pin in manifest.pins])


def sources(repo: RepoSpec) -> dict[Node, set[str]]:
    """Return the datasets that each view and service of ``repo`` rests on in the end."""
    by_view = {v.name: {v.dataset.dataset} if v.dataset else set() for v in repo.views}
    for computed in repo.on_demand:
        by_view[computed.name] = _union(by_view, (ref.view for ref in computed.inputs))
    found = {_view_node(repo, name): datasets for name, datasets in by_view.items()}
    for service in repo.services:
        node = defined_node(NodeKind.SERVICE, repo.project, service.name)
        found[node] = _union(by_view, (ref.view for ref in service.own_features))
    return found


def _union(by_view: dict[str, set[str]], views: Iterable[str]) -> set[str]:
    return {dataset for view in views for dataset in by_view.get(view, ())}


def _view_node(repo: RepoSpec, name: str) -> Node:
    kind = NodeKind.ON_DEMAND if repo.on_demand_view(name) else NodeKind.VIEW
    return defined_node(kind, repo.project, name)


def _write(db: Session, fact: str, edges: Sequence[Edge], how: How = How.OBSERVED) -> None:
    """Let the edges of ``fact`` be ``edges``, in place of those it said before."""
    number = db.scalar(select(FactRow.id).where(FactRow.name == fact))
    if number is not None:
        db.execute(delete(EdgeRow).where(EdgeRow.fact == number))
    if not edges:
        return
    if number is None:
        number = naming.take(db, "fact")
        db.add(FactRow(id=number, name=fact))
        db.flush()
    numbers = ensured(db, (node for edge in edges for node in (edge.upstream, edge.downstream)))
    rows = [
        {
            "upstream": numbers[edge.upstream],
            "downstream": numbers[edge.downstream],
            "fact": number,
            "how": how.value,
            "masking": False,
        }
        for edge in dict.fromkeys(edges)
    ]
    db.execute(insert(EdgeRow), rows)


def _walk(
    db: Session, who: Actor, starts: Sequence[int], depth: int, *, now: datetime, down: bool
) -> set[tuple[int, int]]:
    """The edges within ``depth`` steps of ``starts``, by the numbers of their nodes."""
    shown = visible_numbers(db, who, Action.DISCOVER, now=now)
    near, far = EdgeRow.upstream, EdgeRow.downstream
    if not down:
        near, far = far, near
    seen, frontier, edges = set(starts), list(starts), set[tuple[int, int]]()
    for _ in range(depth):
        reached: dict[int, None] = {}
        for start in range(0, len(frontier), PORTION):
            steps = (
                select(EdgeRow.upstream, EdgeRow.downstream)
                .where(near.in_(frontier[start : start + PORTION]), visible_node(far, shown))
                .distinct()
                .order_by(EdgeRow.upstream, EdgeRow.downstream)
                .limit(max(0, MOST_EDGES - len(edges)))
            )
            for upstream, downstream in db.execute(steps):
                edges.add((upstream, downstream))
                reached[downstream if down else upstream] = None
        frontier = [number for number in reached if number not in seen]
        seen.update(frontier)
        if not frontier or len(edges) >= MOST_EDGES:
            break
    return edges


def _versions_of(db: Session, node: Node) -> list[int]:
    """The numbers of the nodes of a dataset's versions, if ``node`` is a dataset as a whole."""
    if node.kind is not NodeKind.DATASET or "@" in node.name:
        return []
    wanted = (
        select(NodeRow.id)
        .join(DatasetRow, DatasetRow.id == NodeRow.dataset)
        .where(DatasetRow.name == node.name, NodeRow.name != node.name, NodeRow.column_name == "")
    )
    return list(db.scalars(wanted))


def _check_known(db: Session, who: Actor, node: Node, *, now: datetime) -> None:
    if node.kind is NodeKind.DATASET:
        ref = DatasetRef.parse(node.name)
        row = access.discovered(db, who, ref.dataset, now=now)
        if ref.version is not None and db.get(VersionRow, (row.id, ref.version)) is None:
            shown_names = visible(db, who, Action.DISCOVER, now=now).limit(PORTION)
            raise unknown("dataset", node.name, db.scalars(shown_names))
        return
    shown = visible_numbers(db, who, Action.DISCOVER, now=now)
    number = known(db, [node]).get(node)
    used = or_(
        exists().where(RestsOnRow.node == number),
        exists().where(or_(EdgeRow.upstream == number, EdgeRow.downstream == number)),
        exists().where(DocumentRow.node == number),
    )
    closed = exists().where(and_(RestsOnRow.node == number, RestsOnRow.dataset.not_in(shown)))
    if number is None or not db.scalar(select(and_(used, ~closed))):
        names = (
            select(NodeRow.name)
            .join(DocumentRow, DocumentRow.node == NodeRow.id)
            .where(NodeRow.kind == node.kind.value, visible_node(NodeRow.id, shown))
        )
        near = db.scalars(names.distinct().limit(PORTION)).all()
        raise unknown(node.kind.value.replace("-", " "), node.name, near)
