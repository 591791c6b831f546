"""A dataset's page and the page of one of its versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from provender.core.datasets import Dataset, DatasetVersion, Manifest, whole
from provender.core.errors import Denied, InvalidInput
from provender.core.governance import Governance
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef, Reason, Rule
from provender.core.protocols import Library
from provender.web.drawing import pictured
from provender.web.page import Page, Visit

MOST = 200
"""Things that are asked of the catalog at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What the actor may read for one purpose: open and closed columns, and how to ask for more."""

    purpose: str
    description: str
    open: tuple[str, ...]
    because: tuple[str, ...]
    closed: tuple[Reason, ...]
    hint: str = ""


def dataset(visit: Visit) -> Page:
    """What a dataset is, what is known of it, and what the actor may do with it."""
    ref = DatasetRef.parse(visit.part("name"))
    finder, records = visit.catalog.finder, visit.catalog.records
    described = visit.catalog.dataset(ref.at(None))
    releases = whole(lambda after: finder.releases(described.ref, limit=MOST, after=after))
    versions = [release.version for release in reversed(releases)]
    governance = visit.catalog.governance()
    lineage = pictured(visit.catalog, Node(NodeKind.DATASET, described.ref.dataset))
    latest = versions[-1] if versions else None
    return Page(
        template="dataset.html",
        title=f"{described.ref} – dataset",
        facts={
            "dataset": described,
            "versions": [version_facts(version) for version in reversed(versions)],
            "schema": columns(described, latest),
            "may": may(visit.catalog, described),
            "reading": reach(visit.catalog, governance, described, latest),
            "rules": rules_for(governance, described.ref.dataset),
            "grants": whole(lambda after: records.grants(described.ref, limit=MOST, after=after)),
            "lineage": lineage.listed,
        },
        shown={
            "latest": latest,
            "picture": lineage,
            "people": {person.id: person for person in governance.people},
            "protected": governance.taxonomy.protected,
            "tag_meanings": {tag.name: tag.description for tag in governance.tags},
        },
    )


def version(visit: Visit) -> Page:
    """One version: its manifest, whole, and how it differs from the one before."""
    text = visit.part("number")
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise InvalidInput(f"{text!r} is not a version", hint="versions are whole numbers from 1")
    found = visit.catalog.resolve(DatasetRef.parse(visit.part("name")).at(int(text)))
    described = visit.catalog.dataset(found.ref)
    return Page(
        template="version.html",
        title=f"{found.ref} – version",
        facts={
            **version_facts(found),
            "inputs": [str(ref) for ref in found.manifest.inputs],
            "producer": found.manifest.producer,
            "location": found.manifest.location,
            "native_snapshot": found.manifest.native_snapshot,
            "files": found.manifest.files,
            "schema": columns(described, found),
        },
        shown={"dataset": described, "version": found, "inputs": found.manifest.inputs},
    )


def version_facts(version: DatasetVersion) -> dict[str, Any]:
    """Return what a list of versions says about one."""
    manifest: Manifest = version.manifest
    return {
        "ref": str(version.ref),
        "number": version.number,
        "published_at": version.published_at,
        "published_by": version.published_by,
        "format": manifest.format,
        "row_count": manifest.row_count,
        "size_bytes": manifest.size_bytes,
        "file_count": len(manifest.files),
        "event_timestamp": manifest.event_timestamp,
        "event_range": manifest.event_range,
        "logical_digest": manifest.logical_digest,
        "manifest_digest": manifest.digest,
        "parent": version.parent,
        "compatibility": version.compatibility.verdict,
        "differences": version.compatibility.reasons,
        "note": version.note,
    }


def columns(dataset: Dataset, version: DatasetVersion | None) -> list[dict[str, Any]]:
    """Return every column with what its version verifies (type, nulls) and what people say of it."""
    if version is None:
        names = dict.fromkeys((*dataset.column_descriptions, *dataset.column_tags))
        known = [(name, "", True) for name in names]
    else:
        known = [(c.name, c.type, c.nullable) for c in version.manifest.schema.columns]
    return [
        {
            "name": name,
            "type": kind,
            "nullable": nullable,
            "tags": sorted(dataset.column_tags.get(name, ())),
            "description": dataset.column_descriptions.get(name, ""),
        }
        for name, kind, nullable in known
    ]


def may(catalog: Library, dataset: Dataset) -> dict[str, bool]:
    """Return whether the actor may publish the dataset, and decide about access to it."""
    asked = ColumnRef(dataset.ref.dataset)
    actions = (Action.PUBLISH, Action.STEWARD)
    return {action.value: catalog.records.decide(action, [asked]).allowed for action in actions}


def reach(
    catalog: Library, governance: Governance, dataset: Dataset, latest: DatasetVersion | None
) -> list[Reach]:
    """Return what the actor may read of the latest version, for each purpose there is."""
    names = latest.manifest.schema.names if latest else tuple(dataset.column_descriptions)
    asked = [ColumnRef(dataset.ref.dataset, name) for name in names]
    if not asked:
        return []
    return [
        _reach(catalog, asked, purpose, description)
        for purpose, description in sorted(governance.purposes.items())
    ]


def _reach(catalog: Library, asked: Sequence[ColumnRef], purpose: str, description: str) -> Reach:
    decision = catalog.records.decide(Action.READ, asked, purpose=purpose)
    try:
        decision.require()
        hint = ""
    except Denied as denied:
        hint = denied.hint
    opened = {reason.column.column: reason.because for reason in decision.reasons if reason.allowed}
    return Reach(
        purpose=purpose,
        description=description,
        open=tuple(column.column for column in asked if column.column in opened),
        because=tuple(dict.fromkeys(opened.values())),
        closed=tuple(reason for reason in decision.reasons if not reason.allowed),
        hint=hint,
    )


def rules_for(governance: Governance, name: str) -> list[Rule]:
    """Return the rules whose patterns the dataset fits."""
    return [
        rule
        for rule in governance.rules
        if any(fnmatchcase(name, pattern) for pattern in rule.datasets)
    ]
