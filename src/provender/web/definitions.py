"""What feature repositories define, as far as the actor may discover all that it rests on."""

from dataclasses import replace

from provender.catalog.local import LocalCatalog
from provender.core.features import OnDemandSpec, RepoSpec, ServiceSpec, ViewSpec


def defined(catalog: LocalCatalog) -> list[RepoSpec]:
    """Return the definitions of every project, without what the actor may not discover."""
    shown = frozenset(summary.name for summary in catalog.datasets())
    return [discoverable(catalog.repo(project), shown) for project in catalog.projects()]


def discoverable(repo: RepoSpec, datasets: frozenset[str]) -> RepoSpec:
    """Return ``repo`` without the views that read other datasets, and without what needs those."""
    views = tuple(v for v in repo.views if v.dataset is None or v.dataset.dataset in datasets)
    names = {view.name for view in views}
    on_demand = tuple(v for v in repo.on_demand if all(ref.view in names for ref in v.inputs))
    names |= {view.name for view in on_demand}
    services = tuple(s for s in repo.services if all(ref.view in names for ref in s.features))
    return replace(repo, views=views, on_demand=on_demand, services=services)


def named_view(repo: RepoSpec, name: str) -> ViewSpec | OnDemandSpec | None:
    """Return the view or on-demand view called ``name``, if ``repo`` has one."""
    every: list[ViewSpec | OnDemandSpec] = [*repo.views, *repo.on_demand]
    return next((view for view in every if view.name == name), None)


def named_service(repo: RepoSpec, name: str) -> ServiceSpec | None:
    """Return the service called ``name``, if ``repo`` has one."""
    return next((service for service in repo.services if service.name == name), None)
