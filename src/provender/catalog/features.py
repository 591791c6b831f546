"""What feature repositories and training record: definitions, serving manifests, training sets."""

from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    bearers,
    changes,
    consumption,
    epoch,
    findable,
    history,
    indexing,
    lineage,
    listing,
    naming,
    past,
    projects,
    revisions,
    tokens,
    visibility,
)
from provender.catalog.changes import Change
from provender.catalog.rows import (
    DatasetRow,
    NodeRow,
    RepoRow,
    RestsOnRow,
    ServingManifestRow,
    TrainingSetRow,
)
from provender.catalog.serving import DECIDED_AS, compile_lease, compile_serving
from provender.core import derivation
from provender.core.audit import EventKind
from provender.core.digest import digest, short
from provender.core.features import RepoSpec, check_size
from provender.core.leases import PolicyLease
from provender.core.lineage import NodeKind
from provender.core.names import check_project, unknown
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef
from provender.core.serving import SERVER, ServingManifest
from provender.core.training import TrainingSetManifest

SUGGESTED = 2000
Fact = TypeVar("Fact", RepoRow, ServingManifestRow)


def preview(db: Session, by: Actor, repo: RepoSpec, *, now: datetime) -> ServingManifest:
    """Return what servers would get if ``by`` recorded ``repo``; raises as recording it would.

    But that a project of whom ``by`` may not know is not found, as everywhere.
    """
    try:
        _check_may_define(db, by, repo, now=now)
    except projects.NotToBeHad:
        raise unknown("project", repo.project, named_projects(db, by, now=now)) from None
    return compile_serving(db, repo, now=now)


def record_repo(
    db: Session, by: Actor, repo: RepoSpec, *, expected: int | None = None, change: Change
) -> None:
    """Make ``repo`` the current definitions of its project, and what servers get of them.

    Nothing happens if they are already; only the policy may have changed what is served.

    Raises:
        Denied: ``by`` may not define features over a dataset that they read, or publish one that
            what was saved is kept as, nor what those they take the place of did; or the project
            is somebody else's.
        NotFound: a dataset is not there, or not for ``by`` to discover.
        PreconditionFailed: they are not any more at the revision that was ``expected``.
    """
    repo = replace(repo, whole="")
    _check_may_define(db, by, repo, now=change.at)
    revisions.check_object(db, "definitions", repo.project, expected)
    _record_definitions(db, repo, change=change)
    _record_serving(db, compile_serving(db, repo, now=change.at), change=change)


def _check_may_define(db: Session, by: Actor, repo: RepoSpec, *, now: datetime) -> None:
    """Both what is read now and what was: who cannot add a view cannot take one away either.

    But for who owns the project: what was shared with it and is no more, they can take away.
    Who may not know the project is answered as if there was none, until they may define it all.
    """
    check_size(repo)
    projects.check_scope(by, repo.project)
    last = _last(db, RepoRow, repo.project)
    last_by = last.recorded_by if last else None
    if last is None:
        check_project(repo.project)
    unseen = last is not None and not knows(db, by, repo.project, now=now)
    if last is None or unseen:
        projects.check_may_found(db, by, repo, now=now)
        _check_rights(db, by, repo, now=now)
    if unseen:
        raise projects.NotToBeHad(repo.project)
    owned = projects.check_owner(db, by, repo, last_by=last_by, now=now)
    _check_rights(db, by, repo, now=now)
    if last is None or (owned and by.limits.of_every_dataset):
        return
    try:
        for action, was, is_still in (
            (Action.DEFINE, last.value.datasets, repo.datasets),
            (Action.PUBLISH, last.value.kept, repo.kept),
        ):
            access.check(db, by, action, _still_there(db, was - is_still), now=now)
    except access.Hidden as hidden:
        raise access.Refused(
            hidden.decision,
            f"{by} may not change project {repo.project}: it has feature views over data that "
            f"{by} may not discover",
            hint="ask who applied it last, or take another project name",
        ) from None


def _check_rights(db: Session, by: Actor, repo: RepoSpec, *, now: datetime) -> None:
    access.check(db, by, Action.DEFINE, map(ColumnRef, sorted(repo.datasets)), now=now)
    access.check(db, by, Action.PUBLISH, map(ColumnRef, sorted(repo.kept)), now=now)


def knows(db: Session, who: Actor, project: str, *, now: datetime) -> bool:
    """Return whether ``who`` may know of ``project``, which is there.

    They know definitions of it, as `known_part` decides; or it is theirs, or they govern.
    """
    owner = projects.owner_of(db, project)
    by = select(RepoRow.recorded_by).where(RepoRow.project == project)
    return (
        owner in (who.id, *who.teams)
        or (not owner and db.scalar(by.order_by(RepoRow.number.desc()).limit(1)) == who.id)
        or access.governs(db, who, now=now)
        or _views_shown(db, who, now=now, of=project).get(project, True)
    )


def _still_there(db: Session, names: frozenset[str]) -> list[ColumnRef]:
    now_called = sorted(set(naming.current(db, names).values()))
    there = select(DatasetRow.name).where(DatasetRow.withdrawn_at.is_(None))
    found = db.scalars(there.where(DatasetRow.name.in_(now_called))).all()
    return [ColumnRef(name) for name in sorted(found)]


def _record_definitions(db: Session, repo: RepoSpec, *, change: Change) -> None:
    """Write down definitions that are new, and all that is read from them, which heals."""
    last = _last(db, RepoRow, repo.project)
    recorded = lineage.record_repo(db, repo, last.value if last else None)
    same = last is not None and replace(last.value, commit=repo.commit) == repo
    if recorded.is_new or not same:
        documents = findable.of_repo(db, repo)
        indexing.put_project(db, change, repo.project, documents, rested=recorded.rested)
    if same:
        return
    projects.keep(db, change, repo)
    consumption.keep_definitions(db, change, repo, derivation.sources(repo))
    number = last.number + 1 if last else 1
    db.add(
        RepoRow(
            project=repo.project,
            number=number,
            digest=repo.digest,
            recorded_at=change.at,
            recorded_by=change.actor,
            value=repo,
        )
    )
    history.keep(db, change, "definitions", repo.project, repo)
    changes.tell(
        db,
        change,
        EventKind.FEATURES_APPLY,
        repo.project,
        {"number": number, "definitions": repo.digest, "commit": repo.commit},
    )


def _record_serving(db: Session, manifest: ServingManifest, *, change: Change) -> None:
    last = _last(db, ServingManifestRow, manifest.project)
    if last is not None and last.digest == manifest.digest:
        return
    number = last.number + 1 if last else 1
    db.add(
        ServingManifestRow(
            project=manifest.project,
            number=number,
            digest=manifest.digest,
            recorded_at=change.at,
            recorded_by=change.actor,
            value=manifest,
        )
    )
    changes.tell(
        db,
        change,
        EventKind.FEATURES_APPLY,
        manifest.project,
        {"number": number, "serving": manifest.digest, "closed": sorted(manifest.closed)},
    )


def repo(db: Session, who: Actor, project: str, *, now: datetime) -> RepoSpec:
    """Return the definitions applied last to ``project``, as far as ``who`` may know them.

    Raises:
        NotFound: there are none, or all of them rest on data that ``who`` may not discover.
    """
    row = _last(db, RepoRow, project)
    known = known_part(db, who, row.value, whole=row.digest, now=now) if row else None
    if known is None:
        raise unknown("project", project, named_projects(db, who, now=now))
    return known


def named_projects(db: Session, who: Actor, *, now: datetime) -> list[str]:
    """Return the names of the projects that have definitions which ``who`` may know.

    As `known_part` decides, by what is found of their views.
    """
    seen = _views_shown(db, who, now=now)
    names = db.scalars(select(RepoRow.project).distinct().order_by(RepoRow.project))
    return [name for name in names if seen.get(name, True)]


def _views_shown(db: Session, who: Actor, *, now: datetime, of: str = "") -> dict[str, bool]:
    visible = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
    return past.views_by_project(db, past.view(db, visible, as_of=None), of=of)


def known_part(
    db: Session, who: Actor, repo: RepoSpec, *, whole: str = "", now: datetime
) -> RepoSpec | None:
    """Return the part of ``repo``, of the digest ``whole``, that ``who`` may know.

    None if it is all hidden.
    """
    shown = visibility.shown(db, who, derivation.resting(repo), now=now)
    part = derivation.part(repo, shown, whole=whole)
    return None if repo.views and not part.views else part


def serving_manifest(db: Session, who: Actor, project: str, *, now: datetime) -> ServingManifest:
    """Return what ``project`` serves, as far as ``who`` may know it."""
    part = repo(db, who, project, now=now)
    row = _last(db, ServingManifestRow, project)
    if row is None:
        raise unknown("serving manifest of project", project, [])
    return row.value.of(part)


def serving_digest(db: Session, who: Actor, project: str, *, now: datetime) -> str:
    """Return the digest of what servers would get of ``project``, whole, if recorded again."""
    repo(db, who, project, now=now)
    row = _last(db, RepoRow, project)
    return compile_serving(db, row.value, now=now).digest if row else ""


def policy_state(db: Session, who: Actor, project: str, *, now: datetime) -> str:
    """Return what changes with all that may change what ``project`` serves, but for time.

    To who may not know of it the same as if it was not there; the server knows all.
    """
    last = db.scalar(select(func.max(RepoRow.number)).where(RepoRow.project == project))
    if last is not None and who.id != SERVER and not knows(db, who, project, now=now):
        last = None
    said = [DECIDED_AS, project, epoch.now(db), last, tokens.state(db)]
    return short(digest(said), length=16)


def policy_lease(db: Session, who: Actor, project: str, *, now: datetime) -> PolicyLease:
    """Return what servers may serve of ``project``, as far as ``who`` may know it.

    The server knows all of it: it has the manifest, says why something is closed, and has to
    know whoever asks it.
    """
    row = _last(db, RepoRow, project) if who.id == SERVER else None
    known = row.value if row else repo(db, who, project, now=now)
    lease = compile_lease(db, known, state=policy_state(db, who, project, now=now), now=now)
    if row is None:
        return lease
    found, rulings = bearers.compile_bearers(db, known, lease.verdict(SERVER), now=now)
    return replace(lease, holders=lease.holders | rulings, bearers=found)


def training_set(db: Session, who: Actor, identity: str, *, now: datetime) -> TrainingSetManifest:
    """Return what the training set ``identity`` was made of; the start of an id will do.

    Raises:
        NotFound: there is none, or it was made of a dataset that ``who`` may not discover.
    """
    shown = _shown_sets(db, who, now=now)
    begins = shown.where(TrainingSetRow.id.startswith(identity, autoescape=True)).limit(2)
    found = db.scalars(begins).all() if identity else []
    if len(found) != 1:
        ids = shown.with_only_columns(TrainingSetRow.id).limit(SUGGESTED)
        raise unknown("training set", identity, db.scalars(ids))
    return found[0]


def training_sets(
    db: Session, who: Actor, *, limit: int | None = None, after: str = "", now: datetime
) -> list[TrainingSetManifest]:
    """Return the training sets whose datasets ``who`` may discover, newest first.

    At most ``limit`` of those beyond the one called ``after``, where there are such.
    """
    wanted = _shown_sets(db, who, now=now)
    if after:
        made_at = select(TrainingSetRow.created_at).where(TrainingSetRow.id == after)
        last = made_at.scalar_subquery()
        older = TrainingSetRow.created_at < last
        beside = (TrainingSetRow.created_at == last) & (TrainingSetRow.id > after)
        wanted = wanted.where(older | beside)
    return list(db.scalars(wanted.limit(limit)))


def shown_ids(db: Session, who: Actor, *, now: datetime) -> Select[str]:
    """Return the question for the ids of the training sets whose datasets ``who`` may discover."""
    return _shown_sets(db, who, now=now).with_only_columns(TrainingSetRow.id).order_by(None)


def _shown_sets(db: Session, who: Actor, *, now: datetime) -> Select[TrainingSetManifest]:
    visible = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
    hidden = exists().where(
        NodeRow.kind == NodeKind.TRAINING_SET.value,
        NodeRow.name == TrainingSetRow.id,
        NodeRow.column_name == "",
        RestsOnRow.node == NodeRow.id,
        RestsOnRow.dataset == DatasetRow.id,
        ~listing.among(db, visible),
    )
    return (
        select(TrainingSetRow.value)
        .where(~hidden)
        .order_by(TrainingSetRow.created_at.desc(), TrainingSetRow.id)
    )


def _last(db: Session, kind: type[Fact], project: str) -> Fact | None:
    wanted = select(kind).where(kind.project == project)
    return db.scalars(wanted.order_by(kind.number.desc()).limit(1)).first()
