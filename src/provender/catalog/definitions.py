"""Definitions of projects as entries of the catalog: what is found of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provender.core import derivation
from provender.core.documents import Document, Field
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
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    features: tuple[FieldSpec, ...] = ()


def documents(repo: RepoSpec, people: Mapping[str, str]) -> Iterator[Document]:
    """Yield what is found of the definitions of a project; ``people`` are names of owners."""
    for described in described_of(repo):
        yield _document(repo.project, described, people)


def described_of(repo: RepoSpec) -> Iterator[Described]:
    """Yield every entity, view, service and saved dataset of ``repo``."""
    views = derivation.view_nodes(repo)
    yield from (_entity(repo, entity) for entity in repo.entities)
    yield from (_view(view, views[view.name]) for view in repo.views)
    yield from (_computed(view, views[view.name]) for view in repo.on_demand)
    yield from (_service(repo, service) for service in repo.services)
    yield from (_saved(repo, saved) for saved in repo.saved)


def _document(project: str, said: Described, people: Mapping[str, str]) -> Document:
    """The one place that knows what a document is made of."""
    fields = tuple(Field(feature.name, feature.description) for feature in said.features)
    tags_of_fields = (tag for feature in said.features for tag in feature.tags)
    owner = said.owner
    names = (owner, people.get(owner, ""))
    return Document(
        kind=said.node.kind.value,
        name=said.name,
        node=said.node,
        project=project,
        owner=owner,
        tags=said.tags,
        fields=fields,
        labels=tuple(dict.fromkeys((*said.tags, *said.words, *tags_of_fields))),
        description=said.description,
        owners=tuple(filter(None, names)),
        around=said.around,
    )


def _entity(repo: RepoSpec, entity: EntitySpec) -> Described:
    return Described(
        node=defined_node(NodeKind.ENTITY, repo.project, entity.name),
        name=entity.name,
        description=entity.description,
        owner=entity.owner,
        words=(entity.join_key,),
        around=(entity.type,),
    )


def _view(view: ViewSpec, node: Node) -> Described:
    source = (view.dataset.dataset,) if view.dataset else ()
    return Described(
        node=node,
        name=view.name,
        description=view.description,
        owner=view.owner,
        tags=view.tags,
        around=(*view.entities, *source, *view.push_sources),
        features=view.features,
    )


def _computed(view: OnDemandSpec, node: Node) -> Described:
    return Described(
        node=node,
        name=view.name,
        description=view.description,
        owner=view.owner,
        around=tuple(map(str, view.inputs)),
        features=view.features,
    )


def _service(repo: RepoSpec, service: ServiceSpec) -> Described:
    return Described(
        node=defined_node(NodeKind.SERVICE, repo.project, service.name),
        name=service.name,
        description=service.description,
        owner=service.owner,
        tags=service.tags,
        around=tuple(map(str, service.features)),
    )


def _saved(repo: RepoSpec, saved: SavedDatasetSpec) -> Described:
    kept = (saved.dataset.dataset,) if saved.dataset else ()
    return Described(
        node=defined_node(NodeKind.SAVED_DATASET, repo.project, saved.name),
        name=saved.name,
        description=saved.description,
        tags=saved.tags,
        around=(saved.service, *kept, *saved.join_keys, *map(str, saved.features)),
    )
