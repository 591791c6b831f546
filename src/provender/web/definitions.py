"""What feature repositories define, as the catalog shows it to the actor."""

from provender.core.features import OnDemandSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.protocols import Library


def defined(catalog: Library) -> list[RepoSpec]:
    """Return the definitions of every project, as far as the actor may know them."""
    return [catalog.repo(project) for project in catalog.records.projects()]


def named_view(repo: RepoSpec, name: str) -> ViewSpec | OnDemandSpec | None:
    """Return the view or on-demand view called ``name``, if ``repo`` has one."""
    every: list[ViewSpec | OnDemandSpec] = [*repo.views, *repo.on_demand]
    return next((view for view in every if view.name == name), None)


def named_service(repo: RepoSpec, name: str) -> ServiceSpec | None:
    """Return the service called ``name``, if ``repo`` has one."""
    return next((service for service in repo.services if service.name == name), None)
