"""What the definitions of a project are made from: edges between them, of wholes and of columns.

Pure. A feature comes from its column; what is computed on demand comes, output by output, from
every input, because a function is not looked into. Join keys and event times come along, by the
names that each definition gives them: rows are reached by them, so that they break it too.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from provender.core.datasets import Dataset
from provender.core.errors import InvalidInput
from provender.core.features import (
    EntitySpec,
    RepoSpec,
    SavedDatasetSpec,
    ServiceSpec,
    ViewSpec,
    view_names,
)
from provender.core.lineage import ColumnEdge, Edge, How, Node, NodeKind, dataset_node, defined_node
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import ColumnRef
from provender.core.projections import itself
from provender.core.travel import Anonymising

Spec = TypeVar("Spec", EntitySpec, ServiceSpec, SavedDatasetSpec)
T = TypeVar("T")
EVENT_TIMESTAMP = "event_timestamp"
"""What the event time is called in what a service gives."""


def edges(repo: RepoSpec) -> list[Edge]:
    """Return what each view, service and saved dataset of ``repo`` is made from."""
    views = view_nodes(repo)
    found = [
        Edge(dataset_node(view.dataset), views[view.name])
        for view in repo.views
        if view.dataset is not None
    ]
    for computed in repo.on_demand:
        needed = dict.fromkeys(ref.view for ref in computed.inputs)
        found += [Edge(views[name], views[computed.name]) for name in needed if name in views]
    for service in repo.services:
        made = _node(repo, NodeKind.SERVICE, service.name)
        asked = dict.fromkeys(ref.view for ref in service.own_features)
        found += [Edge(views[name], made) for name in asked if name in views]
    for saved in repo.saved:
        found += _saved_edges(repo, saved, views)
    return found


def column_edges(repo: RepoSpec) -> list[ColumnEdge]:
    """Return what each column of the definitions of ``repo`` is made from."""
    views = view_nodes(repo)
    found: dict[ColumnEdge, None] = {}
    for view in repo.views:
        found |= dict.fromkeys(_view_columns(view, views[view.name]))
    for computed in repo.on_demand:
        found |= {
            _declared(views[ref.view], ref.feature, views[computed.name], output.name): None
            for ref in computed.inputs
            if ref.view in views
            for output in computed.features
        }
    for service in repo.services:
        found |= dict.fromkeys(_service_columns(repo, service, views))
    for saved in repo.saved:
        found |= dict.fromkeys(_saved_columns(repo, saved, views))
    return list(found)


def columns(repo: RepoSpec, node: Node) -> frozenset[str]:
    """Return the columns that a definition of ``repo`` has, as its lineage calls them."""
    found = {edge.to for edge in column_edges(repo) if edge.downstream == node}
    views = view_nodes(repo)
    for view in repo.views:
        if views[view.name] == node:
            fields = (*view.join_keys, *view.features)
            found |= {*(field.name for field in fields), *view.times}
    for computed in repo.on_demand:
        if views[computed.name] == node:
            found |= {output.name for output in computed.features}
    for entity in repo.entities:
        if _node(repo, NodeKind.ENTITY, entity.name) == node:
            found.add(entity.join_key)
    for saved in repo.saved:
        if _node(repo, NodeKind.SAVED_DATASET, saved.name) == node:
            found |= {*map(saved.column, saved.features), *saved.join_keys}
    return frozenset(found)


def sources(repo: RepoSpec) -> dict[Node, set[str]]:
    """Return the datasets that each definition of ``repo`` rests on in the end.

    It is seen by who sees them all; an entity by who sees one of its views, which names it.
    """
    by_view = {v.name: {v.dataset.dataset} if v.dataset else set() for v in repo.views}
    for computed in repo.on_demand:
        by_view[computed.name] = _union(by_view, (ref.view for ref in computed.inputs))
    views = view_nodes(repo)
    found = {views[name]: datasets for name, datasets in by_view.items()}
    for entity in repo.entities:
        having = [view.name for view in repo.views if entity.name in view.entities]
        is_of_file = not all(by_view[name] for name in having)
        datasets = set() if is_of_file else _union(by_view, having)
        found[_node(repo, NodeKind.ENTITY, entity.name)] = datasets
    for service in repo.services:
        node = _node(repo, NodeKind.SERVICE, service.name)
        found[node] = _union(by_view, (ref.view for ref in service.own_features))
    for saved in repo.saved:
        datasets = _union(by_view, (ref.view for ref in repo.saved_features(saved)))
        kept = {saved.dataset.dataset} if saved.dataset else set()
        found[_node(repo, NodeKind.SAVED_DATASET, saved.name)] = datasets | kept
    return found


def part(repo: RepoSpec, datasets: Collection[str], *, whole: str = "") -> RepoSpec:
    """Return what of ``repo`` rests on ``datasets`` only (and on files), with the same digest.

    ``whole`` is that digest, where it is known.
    """
    hidden = {node for node, rests in sources(repo).items() if not is_seen(node, rests, datasets)}
    if not hidden:
        return repo
    views = view_nodes(repo)

    def shown(kind: NodeKind, things: Iterable[Spec]) -> tuple[Spec, ...]:
        return tuple(one for one in things if _node(repo, kind, one.name) not in hidden)

    return replace(
        repo,
        entities=shown(NodeKind.ENTITY, repo.entities),
        views=tuple(view for view in repo.views if views[view.name] not in hidden),
        on_demand=tuple(view for view in repo.on_demand if views[view.name] not in hidden),
        services=shown(NodeKind.SERVICE, repo.services),
        saved=shown(NodeKind.SAVED_DATASET, repo.saved),
        whole=whole or repo.digest,
    )


def read_by(repo: RepoSpec, node: Node) -> dict[str, frozenset[str]]:
    """Return the columns of datasets that are read for a view or service, keys and times too."""
    above: dict[tuple[Node, str], list[tuple[Node, str]]] = {}
    for edge in column_edges(repo):
        above.setdefault((edge.downstream, edge.to), []).append((edge.upstream, edge.column))
    stored = {view_nodes(repo)[view.name]: view for view in repo.views}
    waiting = [(node, column) for column in columns(repo, node)]
    found: dict[str, set[str]] = {}
    seen: set[tuple[Node, str]] = set()
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        if at[0].kind is NodeKind.DATASET:
            found.setdefault(at[0].name, set()).add(at[1])
        if at[0] in stored:
            view = stored[at[0]]
            reached = (*(key.name for key in view.join_keys), *view.times)
            waiting += [(at[0], column) for column in reached]
        waiting += above.get(at, ())
    return {dataset: frozenset(names) for dataset, names in found.items()}


def read_for(repo: RepoSpec, feature: FeatureRef) -> frozenset[ColumnRef] | None:
    """Return the columns of datasets that a join reads for one feature, keys and times too.

    None if ``repo`` does not define it.
    """
    computed = repo.on_demand_view(feature.view)
    if computed is not None and feature.feature not in {one.name for one in computed.features}:
        return None
    found: set[ColumnRef] = set()
    for needed in computed.inputs if computed else (feature,):
        view = next((one for one in repo.views if one.name == needed.view), None)
        sources = {one.name: one.source_column for one in view.features} if view else {}
        if view is None or needed.feature not in sources:
            return None
        keys = (key.source_column for key in view.join_keys)
        if view.dataset is not None:
            name = view.dataset.dataset
            columns = (sources[needed.feature], *keys, *view.times)
            found |= {ColumnRef(name, column) for column in columns}
    return frozenset(found)


def is_seen(node: Node, rests_on: Collection[T], shown: Collection[T]) -> bool:
    """Return whether a definition that rests on these is seen by who is ``shown`` those."""
    seen = [one in shown for one in rests_on]
    return all(seen) or (node.kind is NodeKind.ENTITY and any(seen))


def declared(dataset: Dataset) -> list[ColumnEdge]:
    """Return what each column of ``dataset`` was made from, as far as it is declared.

    Raises:
        InvalidInput: a name is not ``domain.name.column``, or how it was anonymised is no way to.
    """
    made = dataset_node(dataset.ref)
    found: list[ColumnEdge] = []
    for column, sources in dataset.column_from.items():
        says = dataset.column_anonymises.get(column)
        way = Anonymising.parse(says).way if says else None
        for ref, source in map(column_named, sources):
            edge = ColumnEdge(dataset_node(ref), source, made, column, How.DECLARED, way)
            found.append(edge)
    return found


def column_named(text: str) -> tuple[DatasetRef, str]:
    """Return the dataset and the column that are written as ``domain.name.column``.

    Raises:
        InvalidInput: ``text`` is not of that form.
    """
    domain, _, rest = text.partition(".")
    name, _, column = rest.partition(".")
    if not column or "@" in name:
        raise InvalidInput(
            f"from: {text[:200]!r} is not a column of a dataset", hint="write domain.name.column"
        )
    return DatasetRef.parse(f"{domain}.{name}"), column


def put_tags(repo: RepoSpec) -> dict[tuple[Node, str], frozenset[str]]:
    """Return the tags that definitions of ``repo`` put on their columns, where they put any.

    Those of a view are on each of its features, those of a service on each that it asks for.
    """
    views = view_nodes(repo)
    found = {
        (views[view.name], feature.name): frozenset((*view.tags, *feature.tags))
        for view in repo.views
        for feature in view.features
    }
    found |= {
        (views[computed.name], feature.name): frozenset(feature.tags)
        for computed in repo.on_demand
        for feature in computed.features
    }
    found |= {
        (_node(repo, NodeKind.SERVICE, service.name), str(ref)): frozenset(service.tags)
        for service in repo.services
        for ref in service.features
    }
    return {part: tags for part, tags in found.items() if tags}


def resting(repo: RepoSpec) -> frozenset[str]:
    """Return the names of all datasets that something of ``repo`` rests on."""
    return frozenset[str]().union(*sources(repo).values())


def view_nodes(repo: RepoSpec) -> dict[str, Node]:
    """Return the node of every view of ``repo``, by its name."""
    stored = {name: _node(repo, NodeKind.VIEW, name) for name in view_names(repo.views)}
    computed = {name: _node(repo, NodeKind.ON_DEMAND, name) for name in view_names(repo.on_demand)}
    return stored | computed


def _view_columns(view: ViewSpec, node: Node) -> Iterator[ColumnEdge]:
    if view.dataset is None:
        return
    source = dataset_node(view.dataset)
    for field in (*view.join_keys, *view.features):
        yield _declared(source, field.source_column, node, field.name)
    for column in view.times:
        yield _declared(source, column, node, column)


def _service_columns(
    repo: RepoSpec, service: ServiceSpec, views: dict[str, Node]
) -> Iterator[ColumnEdge]:
    node = _node(repo, NodeKind.SERVICE, service.name)
    for ref, own in zip(service.features, service.own_features, strict=True):
        if own.view in views:
            yield _declared(views[own.view], own.feature, node, str(ref))
    renamed = {projection.alias: projection for projection in service.projections}
    for alias in dict.fromkeys(ref.view for ref in service.features):
        projection = renamed.get(alias, itself(alias))
        for view in _stored(repo, projection.view):
            for key in view.join_keys:
                yield _declared(views[view.name], key.name, node, projection.given(key.name))
            for column in view.times:
                yield _declared(views[view.name], column, node, EVENT_TIMESTAMP)


def _stored(repo: RepoSpec, view: str) -> list[ViewSpec]:
    """The views whose rows are read for ``view``: itself, or those of its inputs."""
    computed = repo.on_demand_view(view)
    names = {view} if computed is None else {ref.view for ref in computed.inputs}
    return [stored for stored in repo.views if stored.name in names]


def _saved_edges(repo: RepoSpec, saved: SavedDatasetSpec, views: dict[str, Node]) -> list[Edge]:
    node = _node(repo, NodeKind.SAVED_DATASET, saved.name)
    upstream = {source for source, _, _ in _saved_features(repo, saved, views)}
    kept = [Edge(node, dataset_node(saved.dataset))] if saved.dataset else []
    return [*(Edge(source, node) for source in sorted(upstream)), *kept]


def _saved_columns(
    repo: RepoSpec, saved: SavedDatasetSpec, views: dict[str, Node]
) -> Iterator[ColumnEdge]:
    node = _node(repo, NodeKind.SAVED_DATASET, saved.name)
    for source, column, ref in _saved_features(repo, saved, views):
        yield _declared(source, column, node, saved.column(ref))
        if saved.dataset:
            yield _declared(node, saved.column(ref), dataset_node(saved.dataset), saved.column(ref))


def _saved_features(
    repo: RepoSpec, saved: SavedDatasetSpec, views: dict[str, Node]
) -> list[tuple[Node, str, FeatureRef]]:
    """Where each feature of ``saved`` comes from: the service that asked for it, or its view."""
    if any(service.name == saved.service for service in repo.services):
        service = _node(repo, NodeKind.SERVICE, saved.service)
        return [(service, str(ref), ref) for ref in saved.features]
    return [(views[ref.view], ref.feature, ref) for ref in saved.features if ref.view in views]


def _declared(upstream: Node, column: str, downstream: Node, to: str) -> ColumnEdge:
    return ColumnEdge(upstream, column, downstream, to, How.DECLARED)


def _union(by_view: dict[str, set[str]], views: Iterable[str]) -> set[str]:
    return {dataset for view in views for dataset in by_view.get(view, ())}


def _node(repo: RepoSpec, kind: NodeKind, name: str) -> Node:
    return defined_node(kind, repo.project, name)
