"""The versions of a dataset: all of them, and a page for each."""

from typing import Any

from provender.core.datasets import DatasetVersion, Entry, Manifest, Release
from provender.core.errors import InvalidInput
from provender.core.lifecycle import TRANSITIONS
from provender.core.names import DatasetRef
from provender.web.columns import portion
from provender.web.page import Page, Visit
from provender.web.reach import may
from provender.web.wording import reader_address

AT_A_TIME = 50
MOST_FILES = 100
MOST_READERS = 20
DIGITS = 9


def versions(visit: Visit) -> Page:
    """Every version, newest first, a page at a time."""
    finder = visit.catalog.finder
    entry = finder.entry(DatasetRef.parse(visit.part("name")).at(None))
    found = finder.releases(entry.dataset.ref, limit=AT_A_TIME, after=visit.asked("after"))
    return Page(
        template="versions.html",
        title=f"{entry.dataset.ref} – versions",
        facts={
            "dataset": entry.dataset.ref.dataset,
            "latest": entry.latest,
            "versions": [release_facts(one) for one in found.items],
            "next": found.next,
        },
        shown={"ref": entry.dataset.ref},
    )


def version(visit: Visit) -> Page:
    """One version: where it stands, its manifest, and how it differs from the one before."""
    asked = DatasetRef.parse(visit.part("name")).at(version_number(visit.part("number")))
    found, entry = standing_of(visit, asked)
    described = entry.dataset
    first = visit.number("files") or 1
    consumers = visit.catalog.finder.consumers(found.version.ref, limit=MOST_READERS)
    return Page(
        template="version.html",
        title=f"{found.version.ref} – version",
        facts={
            **release_facts(found),
            "inputs": [str(ref) for ref in found.version.manifest.inputs],
            "producer": found.version.manifest.producer,
            "run": visit.catalog.finder.evidence(found.version.ref).run,
            "location": found.version.manifest.location,
            "native_snapshot": found.version.manifest.native_snapshot,
            "files": found.version.manifest.files[first - 1 :][:MOST_FILES],
            "schema": portion(visit, described, found.version).columns,
            "consumers": consumers.items,
        },
        shown={
            "dataset": described,
            "version": found.version,
            "standing": found.standing,
            "latest": entry.latest,
            "revision": entry.revision,
            "first_file": first,
            "readers": [reader_address(one) for one in consumers.items],
            "more_consumers": consumers.next is not None,
            "most_files": MOST_FILES,
            "portion": portion(visit, described, found.version),
            "inputs": found.version.manifest.inputs,
            "steps": [step for state, step in TRANSITIONS if state is found.standing.state]
            if may(visit.catalog, described)["steward"]
            else [],
        },
    )


def standing_of(visit: Visit, ref: DatasetRef) -> tuple[Release, Entry]:
    """Return a version where it stands, and its dataset; one that is refused to readers too.

    Raises:
        NotFound: there is none that the actor may discover.
    """
    finder = visit.catalog.finder
    entry = finder.entry(ref.at(None))
    near = finder.releases(entry.dataset.ref, limit=1, after=str((ref.version or 0) + 1)).items
    if near and near[0].version.number == ref.version:
        return near[0], entry
    return visit.catalog.release(entry.dataset.ref.at(ref.version)), entry


def version_number(text: str) -> int:
    """Return the number of a version.

    Raises:
        InvalidInput: ``text`` is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS and int(text)):
        raise InvalidInput(f"{text!r} is not a version", hint="versions are whole numbers from 1")
    return int(text)


def release_facts(release: Release) -> dict[str, Any]:
    """Return what a list of versions says about one."""
    standing = release.standing
    return {
        **_version_facts(release.version),
        "state": standing.state,
        "state_reason": standing.reason,
        "state_at": standing.at,
        "state_by": standing.by,
        "severity": standing.severity,
        "replacement": standing.replacement,
        "formats": release.formats,
        "data_gone_at": release.data_gone_at,
        "warnings": release.warnings,
    }


def _version_facts(version: DatasetVersion) -> dict[str, Any]:
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
