"""What feature repositories and training record: definitions, serving manifests, training sets."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Select, literal, select
from sqlalchemy.orm import Session

from provender.catalog import audit, datasets, lineage, search
from provender.catalog.access import visible, visible_node
from provender.catalog.rows import RepoRow, ServingManifestRow, TrainingSetRow
from provender.core.audit import EventKind
from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec, OnDemandSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.lineage import Node, NodeKind
from provender.core.names import unknown
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.serving import ServingManifest
from provender.core.training import TrainingSetManifest

SUGGESTED = 2000
Fact = TypeVar("Fact", RepoRow, ServingManifestRow)


def record_repo(db: Session, by: Actor, repo: RepoSpec, *, now: datetime) -> None:
    """Make ``repo`` the current definitions of its project; nothing happens if they are already."""
    last = _last(db, RepoRow, repo.project)
    if last is not None and last.digest == repo.digest:
        return
    number = last.number + 1 if last else 1
    db.add(
        RepoRow(
            project=repo.project,
            number=number,
            digest=repo.digest,
            recorded_at=now,
            recorded_by=by.id,
            value=repo,
        )
    )
    lineage.record_repo(db, repo)
    outdated = search.documents_of_project(db, repo.project)
    search.replace_documents(db, outdated, _documents(repo))
    audit.append(
        db,
        at=now,
        actor=by.id,
        kind=EventKind.FEATURES_APPLY,
        subject=repo.project,
        detail={"number": number, "definitions": repo.digest, "commit": repo.commit},
    )


def record_serving_manifest(
    db: Session, by: Actor, manifest: ServingManifest, *, now: datetime
) -> None:
    """Make ``manifest`` what the project serves; nothing happens if it is already."""
    last = _last(db, ServingManifestRow, manifest.project)
    if last is not None and last.digest == manifest.digest:
        return
    number = last.number + 1 if last else 1
    db.add(
        ServingManifestRow(
            project=manifest.project,
            number=number,
            digest=manifest.digest,
            recorded_at=now,
            recorded_by=by.id,
            value=manifest,
        )
    )
    audit.append(
        db,
        at=now,
        actor=by.id,
        kind=EventKind.FEATURES_APPLY,
        subject=manifest.project,
        detail={"number": number, "serving": manifest.digest, "closed": sorted(manifest.closed)},
    )


def record_training_set(
    db: Session, by: Actor, manifest: TrainingSetManifest, *, now: datetime
) -> None:
    """Write down what a training set was made of; nothing happens if it is known already.

    Raises:
        InvalidInput: it says that somebody else made it.
        NotFound: a dataset version it is pinned to does not exist.
    """
    if manifest.created_by != by.id:
        raise InvalidInput(
            f"training set {manifest.id} says that {manifest.created_by} made it, not {by}",
            hint="record a training set as the actor that made it",
        )
    if db.get(TrainingSetRow, manifest.id) is not None:
        return
    for pin in manifest.pins:
        datasets.resolve(db, by, pin, now=now)
    db.add(
        TrainingSetRow(
            id=manifest.id,
            project=manifest.spec.project,
            created_at=manifest.created_at,
            value=manifest,
        )
    )
    lineage.record_training_set(db, manifest)
    audit.append(
        db,
        at=now,
        actor=by.id,
        kind=EventKind.TRAINING_SET_RECORD,
        subject=manifest.id,
        detail={
            "service": manifest.spec.service,
            "purpose": manifest.spec.purpose,
            "pins": [str(pin) for pin in manifest.pins],
            "rows": manifest.row_count,
            "decision": manifest.decision,
            "content": manifest.content_digest,
        },
    )


def repo(db: Session, project: str) -> RepoSpec:
    """Return the definitions that were applied last to ``project``."""
    row = _last(db, RepoRow, project)
    if row is None:
        raise unknown("project", project, projects(db))
    return row.value


def projects(db: Session) -> list[str]:
    """Return the names of the projects that have definitions."""
    return list(db.scalars(select(RepoRow.project).distinct().order_by(RepoRow.project)))


def serving_manifest(db: Session, project: str) -> ServingManifest:
    """Return what ``project`` serves."""
    row = _last(db, ServingManifestRow, project)
    if row is None:
        served = select(ServingManifestRow.project).distinct()
        raise unknown("serving manifest of project", project, db.scalars(served))
    return row.value


def training_set(db: Session, who: Actor, identity: str, *, now: datetime) -> TrainingSetManifest:
    """Return what the training set ``identity`` was made of; the start of an id will do.

    Raises:
        NotFound: there is none, or it was made of a dataset that ``who`` may not discover.
    """
    shown = _shown_sets(db, who, now=now)
    begins = shown.where(TrainingSetRow.id.startswith(identity, autoescape=True)).limit(2)
    found = db.scalars(begins).all() if identity else []
    if len(found) != 1:
        ids = (manifest.id for manifest in db.scalars(shown.limit(SUGGESTED)))
        raise unknown("training set", identity, ids)
    return found[0]


def training_sets(db: Session, who: Actor, *, now: datetime) -> list[TrainingSetManifest]:
    """Return the training sets whose datasets ``who`` may discover, newest first."""
    return list(db.scalars(_shown_sets(db, who, now=now)))


def _shown_sets(db: Session, who: Actor, *, now: datetime) -> Select[TrainingSetManifest]:
    node = literal(f"{NodeKind.TRAINING_SET}:") + TrainingSetRow.id
    return (
        select(TrainingSetRow.value)
        .where(visible_node(node, visible(db, who, Action.DISCOVER, now=now)))
        .order_by(TrainingSetRow.created_at.desc(), TrainingSetRow.id)
    )


def _last(db: Session, kind: type[Fact], project: str) -> Fact | None:
    wanted = select(kind).where(kind.project == project)
    return db.scalars(wanted.order_by(kind.number.desc()).limit(1)).first()


def _documents(repo: RepoSpec) -> Iterable[search.Document]:
    for view in repo.views:
        source = view.dataset.dataset if view.dataset else ""
        extra = (*view.tags, *view.entities, source, *view.push_sources)
        yield from _view_documents(repo, NodeKind.VIEW, view, extra)
    for computed in repo.on_demand:
        extra = tuple(str(ref) for ref in computed.inputs)
        yield from _view_documents(repo, NodeKind.ON_DEMAND, computed, extra)
    for service in repo.services:
        yield _service_document(repo, service)


def _view_documents(
    repo: RepoSpec, kind: NodeKind, view: ViewSpec | OnDemandSpec, extra: Sequence[str]
) -> Iterable[search.Document]:
    node = lineage.defined_node(kind, repo.project, view.name)
    yield search.Document(
        kind=kind.value,
        name=view.name,
        node=node,
        title=view.name,
        body=" ".join((view.description, view.owner, *extra)),
        context=" ".join(f"{feature.name} {feature.description}" for feature in view.features),
        description=view.description,
        owner=view.owner,
        project=repo.project,
    )
    for feature in view.features:
        yield _feature_document(repo, node, view, feature)


def _feature_document(
    repo: RepoSpec, node: Node, view: ViewSpec | OnDemandSpec, feature: FieldSpec
) -> search.Document:
    return search.Document(
        kind="feature",
        name=f"{view.name}:{feature.name}",
        node=node,
        title=feature.name,
        body=" ".join((feature.description, *feature.tags)),
        context=f"{view.name} {view.description}",
        description=feature.description or f"{feature.type} of {view.name}",
        owner=view.owner,
        project=repo.project,
    )


def _service_document(repo: RepoSpec, service: ServiceSpec) -> search.Document:
    return search.Document(
        kind=NodeKind.SERVICE.value,
        name=service.name,
        node=lineage.defined_node(NodeKind.SERVICE, repo.project, service.name),
        title=service.name,
        body=" ".join((service.description, service.owner, *service.tags)),
        context=" ".join(str(ref) for ref in service.features),
        description=service.description,
        owner=service.owner,
        project=repo.project,
    )
