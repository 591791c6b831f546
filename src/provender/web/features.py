"""Feature views, on-demand views and services: the list, and a page for each."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from provender.core.errors import NotFound
from provender.core.features import OnDemandSpec, RepoSpec, ViewSpec, view_names
from provender.core.lineage import Node, NodeKind
from provender.core.names import FeatureRef, unknown
from provender.core.serving import ServingManifest
from provender.web.definitions import defined, named_service, named_view
from provender.web.drawing import pictured
from provender.web.page import Page, Visit

T = TypeVar("T")


def features(visit: Visit) -> Page:
    """Everything that is defined, by project."""
    return Page(
        template="features.html",
        title="Features",
        facts={
            "projects": [
                {
                    "project": repo.project,
                    "digest": repo.digest,
                    "commit": repo.commit,
                    "views": repo.views,
                    "on_demand": repo.on_demand,
                    "services": repo.services,
                }
                for repo in defined(visit.catalog)
            ]
        },
    )


def view(visit: Visit) -> Page:
    """One view: its features, where they come from, what uses them, and whether they are served."""
    repos = defined(visit.catalog)
    found: ViewSpec | OnDemandSpec
    repo, found = _find(visit, repos, "feature view", named_view, _view_names)
    kind = NodeKind.ON_DEMAND if isinstance(found, OnDemandSpec) else NodeKind.VIEW
    lineage = pictured(visit.catalog, Node(kind, f"{repo.project}/{found.name}"))
    refs = [FeatureRef(found.name, feature.name) for feature in found.features]
    return Page(
        template="on_demand.html" if isinstance(found, OnDemandSpec) else "view.html",
        title=f"{found.name} – {kind.value.replace('-', ' ')}",
        facts={
            "project": repo.project,
            "kind": kind,
            "view": found,
            "services": [s.name for s in repo.services if any(r in s.own_features for r in refs)],
            "closed_online": _closed(_serving(visit, repo.project), refs),
            "lineage": lineage.listed,
        },
        shown={"picture": lineage},
    )


def service(visit: Visit) -> Page:
    """One service: the features that a model asks for, in their order."""
    repos = defined(visit.catalog)
    repo, found = _find(visit, repos, "feature service", named_service, _service_names)
    lineage = pictured(visit.catalog, Node(NodeKind.SERVICE, f"{repo.project}/{found.name}"))
    return Page(
        template="service.html",
        title=f"{found.name} – feature service",
        facts={
            "project": repo.project,
            "service": found,
            "features": [_described(repo, ref) for ref in found.features],
            "closed_online": _closed(_serving(visit, repo.project), found.features),
            "lineage": lineage.listed,
        },
        shown={"picture": lineage},
    )


def _find(
    visit: Visit,
    repos: Sequence[RepoSpec],
    what: str,
    named: Callable[[RepoSpec, str], T | None],
    names: Callable[[RepoSpec], Iterable[str]],
) -> tuple[RepoSpec, T]:
    """Return the definition that the address names, of the project it names or the first that has it.

    Raises:
        NotFound: there is none that the actor may discover.
    """
    name, project = visit.part("name"), visit.asked("project")
    if project and project not in [repo.project for repo in repos]:
        raise unknown("project", project, [repo.project for repo in repos])
    asked = [repo for repo in repos if project in ("", repo.project)]
    for repo in asked:
        found = named(repo, name)
        if found is not None:
            return repo, found
    raise unknown(what, name, [known for repo in asked for known in names(repo)])


def _view_names(repo: RepoSpec) -> list[str]:
    return view_names(repo.views, repo.on_demand)


def _service_names(repo: RepoSpec) -> list[str]:
    return [service.name for service in repo.services]


def _described(repo: RepoSpec, ref: FeatureRef) -> dict[str, Any]:
    found = named_view(repo, ref.view)
    feature = found.feature(ref.feature) if found else None
    return {
        "feature": str(ref),
        "view": ref.view,
        "name": ref.feature,
        "type": feature.type if feature else "",
        "description": feature.description if feature else "",
    }


def _serving(visit: Visit, project: str) -> ServingManifest | None:
    try:
        return visit.catalog.records.serving_manifest(project)
    except NotFound:
        return None


def _closed(manifest: ServingManifest | None, refs: Iterable[FeatureRef]) -> dict[str, str] | None:
    """Return the features that are refused online, with why; None if nothing is served yet."""
    if manifest is None:
        return None
    return {str(ref): manifest.closed[str(ref)] for ref in refs if str(ref) in manifest.closed}
