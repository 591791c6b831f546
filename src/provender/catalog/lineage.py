"""Lineage: edges written by the facts that say so, read back as a neighbourhood of a node.

A dataset without a version (``domain.name``) is made from its latest version, so that what
reads the dataset hangs on whatever is latest; older versions keep what was made from them.
Columns have edges of their own, between what definitions and training sets name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from provender.catalog import access, carried, epoch, graph, naming, nodes, past
from provender.catalog.graph import MOST_EDGES, Pair, Said, Sight, Walk
from provender.catalog.nodes import PORTION, WHOLE, Part
from provender.catalog.rows import DatasetRow, EdgeRow, NodeRow, SearchDocumentRow, VersionRow
from provender.core import derivation
from provender.core.datasets import DatasetVersion
from provender.core.features import RepoSpec
from provender.core.lineage import (
    ColumnEdge,
    Edge,
    How,
    Neighbourhood,
    Node,
    NodeKind,
    dataset_node,
    defined_node,
)
from provender.core.names import DatasetRef, FeatureRef, unknown
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.training import TrainingSetManifest


def neighbourhood(
    db: Session, who: Actor, node: Node, *, depth: int, columns: bool = False, now: datetime
) -> Neighbourhood:
    """Return the edges within ``depth`` steps up and down from ``node`` that ``who`` may discover.

    Downstream of a dataset without a version is what was made from any of its versions. With
    ``columns`` also the edges of its columns, as many steps.

    Raises:
        NotFound: there is no such node for ``who``.
    """
    sight = Sight(db, who, now=now)
    node = check_known(db, who, node, sight, now=now)
    own = list(nodes.known(db, [node]).values())
    every = [*own, *_versions_of(db, node)]
    wholes = _both_ways(db, sight, own, every, depth)
    parts = Walk()
    if columns:
        of_any, of_own = nodes.columns_of(db, every), nodes.columns_of(db, own)
        parts = _both_ways(db, sight, of_own, of_any, depth)
    named = sight.parts({end for walk in (wholes, parts) for pair in walk.edges for end in pair})
    return Neighbourhood(
        edges=_edges(wholes, named),
        columns=_column_edges(parts, named),
        truncated=wholes.truncated or parts.truncated,
    )


def record_version(db: Session, version: DatasetVersion, *, latest: bool = True) -> None:
    """Write down what a new version was computed from, and that it is the ``latest`` now.

    One that a feature service produced is what serving saw of it.
    """
    made, dataset = dataset_node(version.ref), dataset_node(version.ref.at(None))
    inputs = [Edge(dataset_node(ref), made) for ref in version.manifest.inputs]
    if version.manifest.producer.startswith(f"{NodeKind.SERVICE}:"):
        inputs.append(Edge(Node.parse(version.manifest.producer), made))
    facts = {f"version:{version.ref}": inputs} if inputs else {}
    if latest:
        facts[f"latest:{version.ref.dataset}"] = [Edge(made, dataset)]
    _write(db, facts, How.OBSERVED)


def record_latest(db: Session, ref: DatasetRef, number: int | None) -> None:
    """Let what reads a dataset hang on its version ``number``, the newest for readers now."""
    dataset = dataset_node(ref.at(None))
    made = [Edge(dataset_node(ref.at(number)), dataset)] if number is not None else []
    _write(db, {f"latest:{ref.dataset}": made}, How.OBSERVED)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Whether the definitions of a project were made from something else before, or not there.

    ``rested``: the datasets that each node rested on before, by their numbers.
    """

    is_new: bool
    rested: Mapping[int, frozenset[int]]


def record_repo(db: Session, repo: RepoSpec, before: RepoSpec | None = None) -> Recorded:
    """Write down what the definitions of a project are made from, in place of what was ``before``."""
    parts = _parts(derivation.column_edges(repo))
    changed = _write(
        db, {f"repo:{repo.project}": derivation.edges(repo)}, How.DECLARED, columns=parts
    )
    carried.of_definitions(db, before, repo, changed)
    sources = derivation.sources(repo)
    declared = naming.known_numbers(db, {name for names in sources.values() for name in names})
    there = {node: datasets & declared.keys() for node, datasets in sources.items()}
    rested = nodes.all_rest_on(db, there)
    return Recorded(bool(changed), rested)


def record_declared(db: Session, datasets: Sequence[DatasetRow]) -> None:
    """Write down what columns of ``datasets`` are declared to be made from, in place of what was.

    All that they name are there.
    """
    facts = {f"columns:{row.id}": _parts(derivation.declared(row.value)) for row in datasets}
    for portion in nodes.portions(facts):
        carried.settle(db, _say(db, {fact: facts[fact] for fact in portion}))


def forget_declared(db: Session, dataset: DatasetRow) -> None:
    """Let nothing be declared of what columns of ``dataset`` are made from."""
    carried.settle(db, _say(db, {f"columns:{dataset.id}": {}}))


@dataclass(frozen=True, slots=True)
class RestsOn:
    """What of the definitions of its project a training set is linked to: by their own names."""

    features: frozenset[FeatureRef] = frozenset()
    service: bool = False


def record_training_set(db: Session, manifest: TrainingSetManifest, rests: RestsOn) -> None:
    """Write down which dataset versions a training set was made from, and what of definitions."""
    made = Node(NodeKind.TRAINING_SET, manifest.id)
    edges = [Edge(dataset_node(pin), made) for pin in manifest.pins]
    if rests.service:
        service = defined_node(NodeKind.SERVICE, manifest.spec.project, manifest.spec.service)
        edges.append(Edge(service, made))
    columns = _parts(_trained_columns(db, manifest, rests, made))
    made_anew = _write(db, {f"training-set:{manifest.id}": edges}, How.OBSERVED, columns=columns)
    carried.settle(db, made_anew)
    nodes.rest_on(db, made, [pin.dataset for pin in manifest.pins])


def record_model(db: Session, model: Node, training_set: Node) -> None:
    """Write down which training set a model was made of: of all its columns, as far as they lead.

    It is discovered by who may discover that training set.
    """
    known = nodes.known(db, [training_set])
    columns = nodes.named(db, nodes.columns_of(db, list(known.values()))).values()
    parts = {(part, (model, part[1])): Said(How.OBSERVED) for part in columns}
    edge = Edge(training_set, model)
    made_anew = _write(db, {str(model): [edge]}, How.OBSERVED, columns=parts)
    carried.settle(db, made_anew)
    nodes.rest_as(db, model, training_set)


def _trained_columns(
    db: Session, manifest: TrainingSetManifest, rests: RestsOn, made: Node
) -> Iterable[ColumnEdge]:
    """Where the columns of a training set come from, of what is known to be there."""
    spec = manifest.spec
    possible: dict[Part, str] = {}
    keys = {column: column for column in manifest.columns}
    keys[derivation.EVENT_TIMESTAMP] = spec.event_timestamp
    asked = zip(spec.features, spec.own_features, strict=True)
    linked = [(ref, own) for ref, own in asked if own in rests.features]
    if rests.service:
        service = defined_node(NodeKind.SERVICE, spec.project, spec.service)
        possible |= {(service, column): to for column, to in keys.items()}
        possible |= {(service, str(ref)): _trained(manifest, ref) for ref, _ in linked}
    elif not spec.service:
        for ref, own in linked:
            for kind in (NodeKind.VIEW, NodeKind.ON_DEMAND):
                view = defined_node(kind, spec.project, own.view)
                possible |= {(view, column): to for column, to in keys.items()}
                possible[view, own.feature] = _trained(manifest, ref)
    there = nodes.known_parts(db, possible)
    return [
        ColumnEdge(node, column, made, to)
        for (node, column), to in possible.items()
        if (node, column) in there and to in {*manifest.columns, spec.event_timestamp}
    ]


def _trained(manifest: TrainingSetManifest, ref: FeatureRef) -> str:
    """The column of a training set that holds a feature."""
    return f"{ref.view}__{ref.feature}" if manifest.spec.full_feature_names else ref.feature


def _parts(edges: Iterable[ColumnEdge]) -> dict[tuple[Part, Part], Said]:
    return {((e.upstream, e.column), (e.downstream, e.to)): Said(e.how, e.way) for e in edges}


def _write(
    db: Session,
    facts: Mapping[str, Iterable[Edge]],
    how: How,
    *,
    columns: Mapping[tuple[Part, Part], Said] | None = None,
) -> frozenset[int]:
    """Let each fact say its edges, the only one also ``columns``; return what that is new for."""
    said: dict[str, dict[tuple[Part, Part], Said]] = {
        fact: {((e.upstream, WHOLE), (e.downstream, WHOLE)): Said(how) for e in edges}
        for fact, edges in facts.items()
    }
    for edges in said.values():
        edges |= columns or {}
    return _say(db, said)


def _say(db: Session, said: Mapping[str, Mapping[tuple[Part, Part], Said]]) -> frozenset[int]:
    ends = {part for edges in said.values() for pair in edges for part in pair}
    numbers = nodes.ensured_parts(db, ends)
    numbered: dict[str, dict[Pair, Said]] = {
        fact: {(numbers[up], numbers[down]): each for (up, down), each in edges.items()}
        for fact, edges in said.items()
    }
    return graph.say(db, numbered)


def _both_ways(db: Session, sight: Sight, own: list[int], every: list[int], depth: int) -> Walk:
    down = graph.walk(db, sight, every, depth, down=True, most=MOST_EDGES)
    up = graph.walk(db, sight, own, depth, down=False, most=MOST_EDGES)
    return Walk(down.edges | up.edges, down.truncated or up.truncated)


def _edges(walk: Walk, named: Mapping[int, Part]) -> tuple[Edge, ...]:
    return tuple(Edge(named[up][0], named[down][0]) for up, down in _ordered(walk, named))


def _column_edges(walk: Walk, named: Mapping[int, Part]) -> tuple[ColumnEdge, ...]:
    return tuple(
        ColumnEdge(*named[up], *named[down], *walk.edges[up, down])
        for up, down in _ordered(walk, named)
    )


def _ordered(walk: Walk, named: Mapping[int, Part]) -> list[Pair]:
    """The edges by what people call their ends."""
    order = {
        number: (node.kind.value, node.name, column) for number, (node, column) in named.items()
    }
    return sorted(walk.edges, key=lambda pair: (order[pair[0]], order[pair[1]]))


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


def check_known(db: Session, who: Actor, node: Node, sight: Sight, *, now: datetime) -> Node:
    """Return the node under the name that it has now.

    Raises:
        NotFound: there is no such node for ``who``.
    """
    if node.kind is NodeKind.DATASET:
        ref = DatasetRef.parse(node.name)
        row = access.discovered(db, who, ref.dataset, now=now)
        if ref.version is not None and db.get(VersionRow, (row.id, ref.version)) is None:
            raise access.unknown_dataset(db, who, node.name, now=now)
        return dataset_node(row.value.ref.at(ref.version))
    number = nodes.known(db, [node]).get(node)
    if number is None or number not in sight.of([number]) or not _used(db, number):
        visible = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
        near = past.node_names(
            db, past.view(db, visible, as_of=None), node.kind.value, limit=PORTION
        )
        raise unknown(node.kind.value.replace("-", " "), node.name, near)
    return node


def _used(db: Session, number: int) -> bool:
    """Whether anything is said of a node still: those of definitions that are gone stay behind."""
    said = or_(
        exists().where(EdgeRow.upstream == number),
        exists().where(EdgeRow.downstream == number),
        exists().where(SearchDocumentRow.node == number),
    )
    return bool(db.scalar(select(said)))
