"""Lineage: edges written by the facts that say so, read back as a neighbourhood of a node.

A dataset without a version (``domain.name``) is made from its latest version, so that what
reads the dataset hangs on whatever is latest; older versions keep what was made from them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from provender.catalog import access
from provender.catalog.access import visible, visible_node
from provender.catalog.rows import DocumentRow, EdgeRow, RestsOnRow, VersionRow
from provender.core.datasets import DatasetVersion
from provender.core.features import RepoSpec, view_names
from provender.core.lineage import Edge, Node, NodeKind
from provender.core.names import DatasetRef, unknown
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.training import TrainingSetManifest

MOST_EDGES = 2000
"""A neighbourhood stops growing here; more cannot be looked at anyway."""
PORTION = 500
"""How many nodes one query asks about."""


def dataset_node(ref: DatasetRef) -> Node:
    """Return the node of a dataset, or of one version of it."""
    return Node(NodeKind.DATASET, str(ref))


def defined_node(kind: NodeKind, project: str, name: str) -> Node:
    """Return the node of something that a project defines: ``project/name``."""
    return Node(kind, f"{project}/{name}")


def neighbourhood(db: Session, who: Actor, node: Node, *, depth: int, now: datetime) -> list[Edge]:
    """Return the edges within ``depth`` steps up and down from ``node`` that ``who`` may discover.

    Downstream of a dataset without a version is what was made from any of its versions.

    Raises:
        NotFound: there is no such node for ``who``.
    """
    _check_known(db, who, node, now=now)
    starts = [str(node), *_versions_of(db, node)]
    found = _walk(db, who, starts, depth, now=now, down=True)
    found |= _walk(db, who, [str(node)], depth, now=now, down=False)
    return sorted(found)


def record_version(db: Session, version: DatasetVersion) -> None:
    """Write down what a new version was computed from, and that it is the latest now.

    One that a feature service produced is what serving saw of it.
    """
    made, dataset = dataset_node(version.ref), dataset_node(version.ref.at(None))
    inputs = [Edge(dataset_node(ref), made) for ref in version.manifest.inputs]
    if version.manifest.producer.startswith(f"{NodeKind.SERVICE}:"):
        inputs.append(Edge(Node.parse(version.manifest.producer), made))
    _write(db, f"version:{version.ref}", inputs)
    _write(db, f"latest:{version.ref.dataset}", [Edge(made, dataset)])
    rest_on(db, made, [version.ref.dataset])


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
    _write(db, f"repo:{repo.project}", edges)
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


def rest_on(db: Session, node: Node, datasets: Iterable[str]) -> None:
    """Let ``node`` be discovered by those who may discover all of ``datasets``."""
    db.execute(delete(RestsOnRow).where(RestsOnRow.node == str(node)))
    db.add_all(RestsOnRow(node=str(node), dataset=name) for name in sorted(set(datasets)))


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


def _write(db: Session, source: str, edges: Sequence[Edge]) -> None:
    db.execute(delete(EdgeRow).where(EdgeRow.source == source))
    db.add_all(
        EdgeRow(upstream=str(edge.upstream), downstream=str(edge.downstream), source=source)
        for edge in dict.fromkeys(edges)
    )


def _walk(
    db: Session, who: Actor, starts: Sequence[str], depth: int, *, now: datetime, down: bool
) -> set[Edge]:
    shown = visible(db, who, Action.DISCOVER, now=now)
    near, far = EdgeRow.upstream, EdgeRow.downstream
    if not down:
        near, far = far, near
    seen, frontier, edges = set(starts), list(starts), set[Edge]()
    for _ in range(depth):
        reached: dict[str, None] = {}
        for start in range(0, len(frontier), PORTION):
            steps = (
                select(EdgeRow.upstream, EdgeRow.downstream)
                .where(near.in_(frontier[start : start + PORTION]), visible_node(far, shown))
                .distinct()
                .order_by(EdgeRow.upstream, EdgeRow.downstream)
                .limit(max(0, MOST_EDGES - len(edges)))
            )
            for upstream, downstream in db.execute(steps):
                edges.add(Edge(Node.parse(upstream), Node.parse(downstream)))
                reached[downstream if down else upstream] = None
        frontier = [name for name in reached if name not in seen]
        seen.update(frontier)
        if not frontier or len(edges) >= MOST_EDGES:
            break
    return edges


def _versions_of(db: Session, node: Node) -> list[str]:
    if node.kind is not NodeKind.DATASET or "@" in node.name:
        return []
    numbers = db.scalars(select(VersionRow.number).where(VersionRow.dataset == node.name))
    return [f"{node}@{number}" for number in numbers]


def _check_known(db: Session, who: Actor, node: Node, *, now: datetime) -> None:
    shown = visible(db, who, Action.DISCOVER, now=now)
    text = str(node)
    if node.kind is NodeKind.DATASET:
        ref = DatasetRef.parse(node.name)
        access.discover(db, who, ref.dataset, now=now)
        if ref.version is not None and db.get(VersionRow, (ref.dataset, ref.version)) is None:
            raise unknown("dataset", node.name, db.scalars(shown.limit(PORTION)))
        return
    known = or_(
        exists().where(RestsOnRow.node == text),
        exists().where(or_(EdgeRow.upstream == text, EdgeRow.downstream == text)),
        exists().where(DocumentRow.node == text),
    )
    closed = exists().where(and_(RestsOnRow.node == text, RestsOnRow.dataset.not_in(shown)))
    if not db.scalar(select(and_(known, ~closed))):
        names = select(DocumentRow.node).where(
            DocumentRow.node.startswith(f"{node.kind}:"), visible_node(DocumentRow.node, shown)
        )
        near = [text.partition(":")[2] for text in db.scalars(names.distinct().limit(PORTION))]
        raise unknown(node.kind.value.replace("-", " "), node.name, near)
