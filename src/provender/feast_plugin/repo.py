"""Feature repositories: read, applied, and whether everything agrees.

`apply` goes check → plan → Feast's registry → the catalog → the online store. Every step can be
repeated, so after a crash between two of them applying again heals it, and `status` shows it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from feast import FeatureStore
from feast.errors import FeastError, FeastObjectNotFoundException
from feast.feature_view import FeatureView
from feast.project import Project

from provender import bootstrap
from provender.core.datasets import whole
from provender.core.errors import Conflict, InvalidInput, NotFound, Problems
from provender.core.features import RepoSpec
from provender.core.names import DatasetRef
from provender.core.protocols import Library
from provender.core.schema import Schema
from provender.core.serving import ServingManifest
from provender.core.soundness import check
from provender.feast_plugin.changes import DefinitionChange, Verb, compare_repos
from provender.feast_plugin.definitions import OpenRepo, open_repo, registered_views
from provender.feast_plugin.expiry import declared
from provender.feast_plugin.saved import saved_datasets, synced
from provender.feast_plugin.translation import translate
from provender.online.store import OnlineStore
from provender.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What applying changed, or with ``dry_run`` would; the manifest is what servers get then."""

    repo: RepoSpec
    changes: tuple[DefinitionChange, ...]
    manifest: ServingManifest
    dry_run: bool

    @property
    def changed(self) -> tuple[DefinitionChange, ...]:
        """The changes without what stays as it is."""
        return tuple(change for change in self.changes if change.verb is not Verb.KEEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Whether repository, catalog, Feast's registry and online store agree, and where not."""

    project: str
    defined: str
    recorded: str
    published: str
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences


def read_repo(path: Path, settings: Settings) -> RepoSpec:
    """Return the definitions in the Feast repository ``path``; nothing is written.

    Raises:
        NotFound: there is no repository.
        Misconfigured: feature_store.yaml cannot be used.
        Problems: definitions cannot be read or served; all of them are listed.
    """
    with open_repo(path, settings) as opened:
        spec, problems = _translated(opened)
    if problems:
        raise Problems(f"the definitions in {path}", problems)
    return spec


def apply(
    path: Path,
    catalog: Library,
    online: OnlineStore | None,
    *,
    settings: Settings,
    dry_run: bool = False,
) -> Applied:
    """Make the definitions in ``path`` those of its project, and say what that changed.

    Objects that other repositories put into Feast's registry stay; of this project those are
    removed that were applied before and are not defined any more, with their rows online.
    ``online`` may be None for a dry run.

    Raises:
        NotFound, Misconfigured: as `read_repo`.
        Problems: anything is wrong; all of it is listed, and nothing is written.
        Denied: the actor may not define features over a dataset; nothing is written.
    """
    bootstrap.prepare_home(settings)
    with open_repo(path, settings) as opened:
        repo = _checked(opened, catalog)
        recorded_before = _recorded(catalog, repo.project)
        if recorded_before is not None:
            repo = _as_registered(repo, opened.store)
        changes = compare_repos(recorded_before, repo)
        manifest = catalog.compile_serving(repo)
        applied = Applied(repo=repo, changes=changes, manifest=manifest, dry_run=dry_run)
        if dry_run:
            return applied
        if online is None:
            raise InvalidInput(
                "applying needs the online store", hint="give it, or ask for a dry run"
            )
        _apply_to_feast(opened, changes)
        repo = _as_registered(repo, opened.store)
        catalog.record(repo)
        recorded = catalog.records.serving_manifest(repo.project)
        online.publish_manifest(recorded)
        return replace(applied, repo=repo, manifest=recorded)


def status(path: Path, catalog: Library, online: OnlineStore, *, settings: Settings) -> Status:
    """Return where the repository, the catalog, Feast's registry and the online store differ.

    What was saved with Feast since is recorded, if the actor may define: no file says it, and
    applying it means nothing else.

    Raises:
        NotFound, Misconfigured, Problems: as `read_repo`.
    """
    bootstrap.prepare_home(settings)
    with open_repo(path, settings) as opened:
        repo, problems = _translated(opened)
        if problems:
            raise Problems(f"the definitions in {path}", problems)
        recorded = _recorded(catalog, repo.project)
        if recorded is not None:
            repo = _as_registered(repo, opened.store)
            recorded = synced(catalog, recorded, repo.saved)
        published = online.manifest(repo.project)
        differences = [
            *(
                f"not applied yet: {c}"
                for c in compare_repos(recorded, repo)
                if c.verb is not Verb.KEEP
            ),
            *_not_registered(opened.store, recorded),
            *_not_published(recorded, published, catalog),
        ]
    return Status(
        project=repo.project,
        defined=repo.digest,
        recorded=recorded.digest if recorded else "",
        published=published.repo_digest if published else "",
        differences=tuple(differences),
    )


def _translated(opened: OpenRepo) -> tuple[RepoSpec, list[str]]:
    translation = translate(opened.contents, project=opened.project, folder=opened.folder)
    views = declared(opened.store.config, translation.repo.views)
    return replace(translation.repo, views=views), [*opened.problems, *translation.problems]


def _checked(opened: OpenRepo, catalog: Library) -> RepoSpec:
    repo, problems = _translated(opened)
    problems += check(repo, _schemas(repo, catalog), catalog.governance().taxonomy)
    if problems:
        raise Problems(
            f"the definitions in {opened.folder}",
            list(dict.fromkeys(problems)),
            hint="nothing was changed; correct them and apply again",
        )
    return repo


def _as_registered(repo: RepoSpec, store: FeatureStore) -> RepoSpec:
    """Return ``repo`` with what only Feast's registry knows: versions of views, what was saved."""
    numbers = {view.name: view.current_version_number or 0 for view in registered_views(store)}
    return replace(
        repo,
        views=tuple(replace(view, version=numbers.get(view.name, 0)) for view in repo.views),
        saved=saved_datasets(store),
    )


def _schemas(repo: RepoSpec, catalog: Library) -> dict[str, Schema]:
    """Return the schema of every dataset in the catalog, at the version that a view names."""
    named = {view.dataset.dataset: view.dataset for view in repo.views if view.dataset}
    finder = catalog.finder
    listed = whole(lambda after: finder.entries({}, limit=200, after=after))
    published = [summary.name for summary in listed if summary.latest is not None]
    refs = {name: DatasetRef.parse(name) for name in published} | named
    schemas: dict[str, Schema] = {}
    for name, ref in refs.items():
        try:
            schemas[name] = catalog.resolve(ref).manifest.schema
        except NotFound:
            continue
    return schemas


def _recorded(catalog: Library, project: str) -> RepoSpec | None:
    try:
        return catalog.repo(project)
    except NotFound:
        return None


def _apply_to_feast(opened: OpenRepo, changes: Sequence[DefinitionChange]) -> None:
    contents, store = opened.contents, opened.store
    objects: list[Any] = [Project(name=opened.project)] if not contents.projects else []
    for kind in contents:
        objects += kind
    try:
        removed = _removed(store, changes)
        store.apply(objects, objects_to_delete=removed, partial=False)
    except (FeastError, ValueError, TypeError, KeyError, AssertionError) as error:
        raise Conflict(
            f"Feast does not accept the definitions of {opened.project}: {error}",
            hint="correct them and apply again; the catalog and the servers are as they were",
        ) from error


def _removed(store: FeatureStore, changes: Sequence[DefinitionChange]) -> list[Any]:
    """Return Feast's objects of the definitions that are gone, with sources nobody else uses."""
    find: dict[str, Callable[[str], Any]] = {
        "entity": store.get_entity,
        "feature view": lambda name: store.registry.get_any_feature_view(name, store.project),
        "on-demand view": store.get_on_demand_feature_view,
        "feature service": store.get_feature_service,
        "saved dataset": lambda name: store.registry.get_saved_dataset(name, store.project),
    }
    found: list[Any] = []
    for change in changes:
        if change.verb is Verb.REMOVE:
            try:
                found.append(find[change.kind](change.name))
            except FeastObjectNotFoundException:
                continue
    gone = [view for view in found if isinstance(view, FeatureView)]
    names = {view.name for view in gone}
    used = {
        source.name
        for view in registered_views(store)
        if view.name not in names
        for source in _sources(view)
    }
    orphans = {s.name: s for view in gone for s in _sources(view) if s.name not in used}
    return found + list(orphans.values())


def _sources(view: FeatureView) -> list[Any]:
    return [source for source in (view.batch_source, view.stream_source) if source is not None]


def _not_registered(store: FeatureStore, recorded: RepoSpec | None) -> Iterator[str]:
    if recorded is None:
        return
    project, registry = store.project, store.registry
    has = {
        "entity": {entity.name for entity in registry.list_entities(project)},
        "feature view": {view.name for view in registered_views(store)},
        "on-demand view": {v.name for v in registry.list_on_demand_feature_views(project)},
        "feature service": {service.name for service in registry.list_feature_services(project)},
        "saved dataset": {saved.name for saved in registry.list_saved_datasets(project)},
    }
    for change in compare_repos(None, recorded):
        if change.name not in has[change.kind]:
            yield f"{change.kind} {change.name} is recorded but not in Feast's registry: apply again"


def _not_published(
    recorded: RepoSpec | None,
    published: ServingManifest | None,
    catalog: Library,
) -> Iterator[str]:
    if recorded is None:
        return
    if published is None:
        yield "no serving manifest is published to the online store: apply again"
    elif published.repo_digest != recorded.digest:
        yield "servers have the definitions of another apply: apply again"
    elif replace(published, entity_key="").digest != catalog.records.serving_digest(
        recorded.project
    ):
        yield "the policy has changed since servers were told: apply again"
