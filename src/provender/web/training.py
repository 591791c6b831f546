"""Training sets: the list, and what each was made of."""

from typing import Any

from provender.core.lineage import Node, NodeKind
from provender.core.training import TrainingSetManifest
from provender.web.drawing import pictured
from provender.web.page import Page, Visit

PER_PAGE = 50


def training_sets(visit: Visit) -> Page:
    """The training sets made of datasets that the actor may discover, newest first, in portions."""
    after = visit.asked("after")
    found = visit.catalog.records.training_sets(limit=PER_PAGE, after=after)
    return Page(
        template="training_sets.html",
        title="Training sets",
        facts={"training_sets": [_in_short(one) for one in found.items], "next": found.next},
        shown={"after": after},
    )


def training_set(visit: Visit) -> Page:
    """One training set: the versions it was made of, under which decision, and its digests."""
    manifest = visit.catalog.records.training_set(visit.part("id"))
    lineage = pictured(visit.catalog, Node(NodeKind.TRAINING_SET, manifest.id))
    return Page(
        template="training_set.html",
        title=f"{manifest.id} – training set",
        facts={
            **_in_short(manifest),
            "manifest": manifest,
            "lineage": lineage.facts,
        },
        shown={"picture": lineage},
    )


def _in_short(manifest: TrainingSetManifest) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "project": manifest.spec.project,
        "service": manifest.spec.service,
        "purpose": manifest.spec.purpose,
        "row_count": manifest.row_count,
        "pins": [str(pin) for pin in manifest.pins],
        "created_at": manifest.created_at,
        "created_by": manifest.created_by,
        "seconds": manifest.seconds,
    }
