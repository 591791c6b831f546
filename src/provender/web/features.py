"""Feature views, on-demand views and services: a page for each."""

from collections.abc import Mapping
from typing import Any

from provender.core.errors import NotFound
from provender.core.features import OnDemandSpec, RepoSpec, ViewSpec, view_names
from provender.core.lineage import Node, NodeKind
from provender.core.names import FeatureRef, suggest
from provender.core.travel import ColumnTag
from provender.web.columns import carried
from provender.web.definitions import (
    closed,
    find,
    named_service,
    named_view,
    names_of,
    serving,
    shelf,
)
from provender.web.drawing import pictured
from provender.web.page import Page, Visit

STATES = 10
"""States of a project's definitions that are looked through for changes of a view."""
AT_A_TIME = 60


def view(visit: Visit) -> Page:
    """One view: its features, where they come from, what uses them, and whether they are served."""
    found: ViewSpec | OnDemandSpec
    repo, found = find(visit, "feature view", named_view, _view_names)
    kind = NodeKind.ON_DEMAND if isinstance(found, OnDemandSpec) else NodeKind.VIEW
    node = Node(kind, f"{repo.project}/{found.name}")
    lineage, came = pictured(visit.catalog, node), _carried(visit, node)
    part = shelf(visit, "features", found.features, most=AT_A_TIME, around="feature")
    refs = [FeatureRef(found.name, feature.name) for feature in found.features]
    changes, older = _changes(visit, repo.project, kind, found.name)
    return Page(
        template="on_demand.html" if isinstance(found, OnDemandSpec) else "view.html",
        title=f"{found.name} – {kind.value.replace('-', ' ')}",
        facts={
            "project": repo.project,
            "kind": kind,
            "view": found,
            "services": [s.name for s in repo.services if any(r in s.own_features for r in refs)],
            "closed_online": closed(serving(visit, repo.project), refs),
            "changes": changes,
            "older_changes": older,
            "carried": {f.name: came[f.name] for f in part.things if f.name in came},
            "lineage": lineage.facts,
        },
        shown={
            "picture": lineage,
            "shelf": part,
            "missed": _missed(visit.asked("feature"), names_of(found.features)),
        },
    )


def service(visit: Visit) -> Page:
    """One service: the features that a model asks for, in their order."""
    repo, found = find(
        visit, "feature service", named_service, lambda repo: names_of(repo.services)
    )
    node = Node(NodeKind.SERVICE, f"{repo.project}/{found.name}")
    lineage, came = pictured(visit.catalog, node), _carried(visit, node)
    part = shelf(visit, "features", found.features, most=AT_A_TIME)
    return Page(
        template="service.html",
        title=f"{found.name} – feature service",
        facts={
            "project": repo.project,
            "service": found,
            "features": [_described(repo, ref) for ref in part.things],
            "closed_online": closed(serving(visit, repo.project), found.features),
            "carried": {str(ref): came[str(ref)] for ref in part.things if str(ref) in came},
            "lineage": lineage.facts,
        },
        shown={"picture": lineage, "shelf": part},
    )


def _carried(visit: Visit, node: Node) -> dict[str, list[ColumnTag]]:
    """The tags that came to a definition's features; none if nothing leads there, as of files."""
    try:
        return carried(visit, node)
    except NotFound:
        return {}


def _missed(asked: str, names: list[str]) -> str:
    """Return what to say of a feature that the address asks for and the view has not."""
    if not asked or asked in names:
        return ""
    return f"It has no feature {asked!r}; {suggest(asked, names)}"


def _view_names(repo: RepoSpec) -> list[str]:
    return view_names(repo.views, repo.on_demand)


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


def _changes(
    visit: Visit, project: str, kind: NodeKind, name: str
) -> tuple[list[dict[str, Any]], bool]:
    """Return how the definition of a view changed, newest first, with who applied it and when.

    And whether there are older states, of which nothing is told: not even that the oldest
    state seen is where the view was defined.
    """
    found = visit.catalog.desk.history("definitions", project, limit=STATES)
    states, older = found.items, found.next is not None
    group = "on_demand" if kind is NodeKind.ON_DEMAND else "views"
    specs = [_spec(state.value, group, name) for state in states]
    before = specs[1:] if older else [*specs[1:], None]
    told = []
    for state, now, was in zip(states, specs, before, strict=False):
        words = _differences(was, now)
        if words:
            told.append({"at": state.since, "by": state.by, "words": words})
    return told, older


def _spec(value: Mapping[str, Any] | None, group: str, name: str) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = (value or {}).get(group, [])
    return next((spec for spec in found if spec["name"] == name), None)


def _differences(was: dict[str, Any] | None, now: dict[str, Any] | None) -> list[str]:
    """Return in words what changed from one definition to the next."""
    if was is None or now is None:
        return ["defined"] if now else ["taken away"] if was else []
    words = [
        f"{part.replace('_', ' ')}: {_short(was.get(part))} → {_short(now.get(part))}"
        for part in dict.fromkeys((*was, *now))
        if part != "features" and was.get(part) != now.get(part)
    ]
    before, after = ({f["name"]: f for f in spec["features"]} for spec in (was, now))
    words += [f"feature {name} is new" for name in after if name not in before]
    words += [f"feature {name} is gone" for name in before if name not in after]
    common = [name for name in after if name in before and after[name] != before[name]]
    return words + [f"feature {name} is defined otherwise" for name in common]


def _short(value: Any) -> str:
    text = str(value if value not in (None, "", [], ()) else "nothing")
    return text if len(text) <= 60 else f"{text[:59]}…"
