"""Definitions of projects as entries of the catalog: what is found of each, and when it goes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy.orm import Session

from provender.catalog import indexing, nodes
from provender.catalog.changes import Change
from provender.catalog.search import Document
from provender.core import derivation
from provender.core.features import (
    EntitySpec,
    FieldSpec,
    OnDemandSpec,
    RepoSpec,
    SavedDatasetSpec,
    ServiceSpec,
    ViewSpec,
)
from provender.core.lineage import Node, NodeKind, defined_node


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What people said of one definition, or of a feature of it, and what stands around it."""

    node: Node
    name: str
    description: str = ""
    owner: str = ""
    words: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    features: tuple[FieldSpec, ...] = ()


def index(db: Session, change: Change, repo: RepoSpec, before: RepoSpec | None) -> None:
    """Let search find what ``repo`` defines; what was defined ``before`` and is not is gone."""
    found = {described.node: described for described in described_of(repo)}
    gone = {described.node for described in described_of(before)} if before else set()
    for node in sorted(gone - found.keys()):
        indexing.put(db, change, node, ())
        nodes.rest_on(db, node, ())
    for node, described in found.items():
        indexing.put(db, change, node, documents(repo.project, described))


def documents(project: str, described: Described) -> Iterator[Document]:
    """Yield what is found of one definition: itself, and each of its features."""
    kind = described.node.kind.value
    around = (*described.around, *(f"{f.name} {f.description}" for f in described.features))
    yield _document(project, kind, described, title=described.name, around=around)
    for feature in described.features:
        part = Described(
            node=described.node,
            name=f"{described.name}:{feature.name}",
            description=feature.description or f"{feature.type} of {described.name}",
            owner=described.owner,
            words=feature.tags,
        )
        around = (described.name, described.description)
        yield _document(project, "feature", part, title=feature.name, around=around)


def described_of(repo: RepoSpec) -> Iterator[Described]:
    """Yield every entity, view, service and saved dataset of ``repo``."""
    views = derivation.view_nodes(repo)
    yield from (_entity(repo, entity) for entity in repo.entities)
    yield from (_view(view, views[view.name]) for view in repo.views)
    yield from (_computed(view, views[view.name]) for view in repo.on_demand)
    yield from (_service(repo, service) for service in repo.services)
    yield from (_saved(repo, saved) for saved in repo.saved)


def _document(
    project: str, kind: str, said: Described, *, title: str, around: Iterable[str]
) -> Document:
    """The one place that knows what a document is made of."""
    return Document(
        kind=kind,
        name=said.name,
        node=said.node,
        title=title,
        body=" ".join((said.description, said.owner, *said.words)),
        context=" ".join(around),
        description=said.description,
        owner=said.owner,
        project=project,
    )


def _entity(repo: RepoSpec, entity: EntitySpec) -> Described:
    having = tuple(view.name for view in repo.views if entity.name in view.entities)
    return Described(
        node=defined_node(NodeKind.ENTITY, repo.project, entity.name),
        name=entity.name,
        description=entity.description,
        owner=entity.owner,
        words=(entity.join_key,),
        around=(entity.type, *having),
    )


def _view(view: ViewSpec, node: Node) -> Described:
    source = (view.dataset.dataset,) if view.dataset else ()
    return Described(
        node=node,
        name=view.name,
        description=view.description,
        owner=view.owner,
        words=(*view.tags, *view.entities, *source, *view.push_sources),
        features=view.features,
    )


def _computed(view: OnDemandSpec, node: Node) -> Described:
    return Described(
        node=node,
        name=view.name,
        description=view.description,
        owner=view.owner,
        words=tuple(map(str, view.inputs)),
        features=view.features,
    )


def _service(repo: RepoSpec, service: ServiceSpec) -> Described:
    return Described(
        node=defined_node(NodeKind.SERVICE, repo.project, service.name),
        name=service.name,
        description=service.description,
        owner=service.owner,
        words=service.tags,
        around=tuple(map(str, service.features)),
    )


def _saved(repo: RepoSpec, saved: SavedDatasetSpec) -> Described:
    kept = (saved.dataset.dataset,) if saved.dataset else ()
    return Described(
        node=defined_node(NodeKind.SAVED_DATASET, repo.project, saved.name),
        name=saved.name,
        description=saved.description,
        words=(*saved.tags, saved.service, *kept, *saved.join_keys),
        around=tuple(map(str, saved.features)),
    )
