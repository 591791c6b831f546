"""Models: the list, and each with what it rests on and the tags that it carries."""

from typing import Any

from provender.core.models import ModelVersion, whole_name
from provender.web.columns import carried
from provender.web.drawing import pictured
from provender.web.page import Page, Visit
from provender.web.wording import model_address

PER_PAGE = 50


def models(visit: Visit) -> Page:
    """The newest version of every model that the actor may discover, by name, in portions."""
    after = visit.asked("after")
    found = visit.catalog.models.models(limit=PER_PAGE, after=after)
    return Page(
        template="models.html",
        title="Models",
        facts={"models": [_in_short(one) for one in found.items], "next": found.next},
        shown={"after": after},
    )


def model(visit: Visit) -> Page:
    """One version of a model, the newest if none is asked for, and the versions beside it."""
    name = whole_name(visit.asked("project"), visit.part("name"))
    found = visit.catalog.models.version(name, visit.number("version"))
    after = visit.asked("after")
    versions = visit.catalog.models.versions(found.trained.name, limit=PER_PAGE, after=after)
    made_of = visit.catalog.records.training_set(found.trained.training_set)
    lineage, came = pictured(visit.catalog, found.node), carried(visit, found.node)
    return Page(
        template="model.html",
        title=f"{found.id} – model",
        facts={
            **_in_short(found),
            "model": found,
            "manifest": made_of,
            "pins": [str(pin) for pin in made_of.pins],
            "versions": [_in_short(one) for one in versions.items],
            "next": versions.next,
            "carried": came,
            "lineage": lineage.facts,
        },
        shown={"picture": lineage, "after": after},
    )


def _in_short(found: ModelVersion) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.trained.name,
        "address": model_address(found.trained.name),
        "number": found.number,
        "training_set": found.trained.training_set,
        "metrics": found.trained.metrics,
        "created_at": found.created_at,
        "created_by": found.created_by,
    }
