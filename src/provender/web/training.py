"""Training sets: the list, and what each was made of."""

from typing import Any

from provender.core.datasets import whole
from provender.core.lineage import Node, NodeKind
from provender.core.training import TrainingSetManifest
from provender.web.drawing import pictured
from provender.web.page import Page, Visit

PER_PAGE = 50


def training_sets(visit: Visit) -> Page:
    """Every training set made of datasets that the actor may discover, newest first."""
    records = visit.catalog.records
    found = whole(lambda after: records.training_sets(limit=200, after=after))
    page = visit.number("page") or 1
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    return Page(
        template="training_sets.html",
        title="Training sets",
        facts={
            "total": len(found),
            "page": page,
            "training_sets": [_in_short(manifest) for manifest in shown],
        },
        shown={"more": len(found) > page * PER_PAGE},
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
