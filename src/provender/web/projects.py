"""Projects: the list of them, and what each defines."""

from typing import Any

from provender.core.features import RepoSpec
from provender.web.definitions import find, named, names_of, shelf
from provender.web.page import Page, Visit

AT_A_TIME = 10
SHOWN = 8
"""Views and services of a project in the list of projects."""
ON_SHELF = 50


def features(visit: Visit) -> Page:
    """Projects by name, a page at a time, each with the first of its views and services."""
    after = visit.asked("after")
    rest = [name for name in sorted(visit.catalog.records.projects()) if name > after]
    names = rest[:AT_A_TIME]
    return Page(
        template="features.html",
        title="Features",
        facts={
            "projects": [_in_short(visit.catalog.repo(name)) for name in names],
            "next": names[-1] if len(rest) > len(names) else None,
        },
        shown={"after": after, "most": SHOWN},
    )


def project(visit: Visit) -> Page:
    """One project: its views, services, entities and what was saved of it, in portions."""
    name = visit.part("name")
    repo = visit.catalog.repo(name)
    shelves = {
        part: shelf(visit, part, getattr(repo, part), most=ON_SHELF)
        for part in ("views", "on_demand", "services", "entities", "saved")
    }
    return Page(
        template="project.html",
        title=f"{name} – project",
        facts={
            "project": name,
            "description": repo.description,
            "owner": repo.owner,
            "digest": repo.digest,
            "commit": repo.commit,
            **{part: one.things for part, one in shelves.items()},
        },
        shown={"shelves": shelves, "datasets": sorted(repo.datasets)[:ON_SHELF]},
    )


def entity(visit: Visit) -> Page:
    """One entity: what names it, and the views about it."""
    repo, found = find(
        visit,
        "entity",
        lambda repo, name: named(repo.entities, name),
        lambda repo: names_of(repo.entities),
    )
    about = [view for view in repo.views if found.name in view.entities]
    return Page(
        template="entity.html",
        title=f"{found.name} – entity",
        facts={
            "project": repo.project,
            "entity": found,
            "views": about[:ON_SHELF],
            "services": _services(repo, {view.name for view in about}),
        },
        shown={"more": len(about) - ON_SHELF},
    )


def saved(visit: Visit) -> Page:
    """One saved dataset: its features, and where its rows are."""
    repo, found = find(
        visit,
        "saved dataset",
        lambda repo, name: named(repo.saved, name),
        lambda repo: names_of(repo.saved),
    )
    return Page(
        template="saved.html",
        title=f"{found.name} – saved dataset",
        facts={"project": repo.project, "saved": found},
        shown={"shelf": shelf(visit, "features", found.features, most=ON_SHELF)},
    )


def _in_short(repo: RepoSpec) -> dict[str, Any]:
    return {
        "project": repo.project,
        "description": repo.description,
        "owner": repo.owner,
        "digest": repo.digest,
        "commit": repo.commit,
        "counts": {
            "feature view": len(repo.views),
            "on-demand view": len(repo.on_demand),
            "feature service": len(repo.services),
            "entity": len(repo.entities),
            "saved dataset": len(repo.saved),
        },
        "views": repo.views[:SHOWN],
        "on_demand": repo.on_demand[:SHOWN],
        "services": repo.services[:SHOWN],
    }


def _services(repo: RepoSpec, views: set[str]) -> list[str]:
    return [s.name for s in repo.services if any(ref.view in views for ref in s.own_features)]
